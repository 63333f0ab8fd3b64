package wheel

import (
	"archive/zip"
	"bufio"
	"compress/bzip2"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"
)

// Open returns the content of one of the wheel's files. Its reader ends with a
// *Refusal instead of io.EOF when the content is not exactly what the headers declare,
// and never returns more bytes than they do; so whoever writes it away must look at
// the error before giving it a name. Open is safe for concurrent use.
func (w *Wheel) Open(f *File) (io.ReadCloser, error) {
	if f.zip.Method == methodLZMA {
		packed, err := f.zip.OpenRaw()
		if err != nil {
			return nil, w.refusal(err)
		}
		return &reader{ReadCloser: unlzma(packed, f.zip), w: w, f: f, sums: true}, nil
	}
	r, err := f.zip.Open()
	if err != nil {
		return nil, w.refusal(err)
	}
	return &reader{ReadCloser: r, w: w, f: f, sums: f.zip.CRC32 == 0}, nil
}

// reader says what is wrong with the content. It compares the checksum where archive/zip does not:
// one that is declared as 0, and of what is unpacked here.
type reader struct {
	io.ReadCloser
	w    *Wheel
	f    *File
	sums bool
	crc  uint32
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if r.sums {
		r.crc = crc32.Update(r.crc, crc32.IEEETable, p[:n])
		if err == io.EOF && r.crc != r.f.zip.CRC32 {
			err = zip.ErrChecksum
		}
	}
	if err == nil || err == io.EOF {
		return n, err
	}
	name := r.f.Name
	switch {
	case errors.Is(err, zip.ErrFormat):
		err = refuseEntry(name, "is longer than the %d bytes its header says", r.f.Size)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = refuseEntry(name, "is shorter than the %d bytes its header says", r.f.Size)
	case errors.Is(err, zip.ErrChecksum):
		err = refuseEntry(name, "has a wrong checksum")
	case errors.Is(err, errDamaged), errors.Is(err, errTrailing):
		err = refuseEntry(name, "%v", err)
	default:
		err = fmt.Errorf("read entry %s: %w", Quote(name), err)
	}
	return n, r.w.refusal(err)
}

func (w *Wheel) drain(f *File) error {
	r, err := w.Open(f)
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

var (
	errDamaged  = errors.New("has damaged compressed data")
	errTrailing = errors.New("has bytes after its compressed data")
)

// unpacker reads a compressed stream that must be sound and use all of its input.
// flate, bzip2 and lzma take no byte of a bufio.Reader that is not theirs.
type unpacker struct {
	in     *bufio.Reader
	stream io.Reader // nil once closed
	pooled *inflater // to be handed on, if any
}

// An inflater costs 40 KB to make, more than most files of a wheel are long.
type inflater struct {
	in     *bufio.Reader
	stream io.ReadCloser
}

var inflaters = sync.Pool{New: func() any {
	in := bufio.NewReaderSize(nil, 32<<10)
	return &inflater{in, flate.NewReader(in)}
}}

func inflate(packed io.Reader) io.ReadCloser {
	z := inflaters.Get().(*inflater)
	z.in.Reset(packed)
	z.stream.(flate.Resetter).Reset(z.in, nil) // it has no way to fail
	return &unpacker{z.in, z.stream, z}
}

func bunzip2(packed io.Reader) io.ReadCloser {
	in := bufio.NewReader(packed)
	return &unpacker{in: in, stream: bzip2.NewReader(in)}
}

func (u *unpacker) Read(p []byte) (int, error) {
	if u.stream == nil {
		return 0, io.ErrClosedPipe
	}
	n, err := u.stream.Read(p)
	var deflated flate.CorruptInputError
	var bzipped bzip2.StructuralError
	switch {
	case err == nil:
	case err == io.EOF:
		if _, err = u.in.ReadByte(); err == nil {
			err = errTrailing
		}
	case errors.As(err, &deflated), errors.As(err, &bzipped), err == io.ErrUnexpectedEOF:
		err = errDamaged
	}
	return n, err
}

// Close reports nothing: what matters is the error of the last Read.
func (u *unpacker) Close() error {
	if u.pooled != nil {
		inflaters.Put(u.pooled)
	}
	*u = unpacker{}
	return nil
}
