package archive

import (
	"compress/bzip2"
	"compress/flate"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
)

// Error says why an archive is refused.
type Error struct {
	Entry string // "" when it is the whole archive
	Named bool   // Entry is meant, even when it is empty
	Rule  string // what is wrong, to be read after the entry's or the file's name
}

func (e *Error) Error() string {
	if e.Named {
		return "entry " + Quote(e.Entry) + " " + e.Rule
	}
	return e.Rule
}

func refuse(format string, args ...any) error {
	return &Error{Rule: fmt.Sprintf(format, args...)}
}

func refuseEntry(name, format string, args ...any) error {
	return &Error{Entry: name, Named: true, Rule: fmt.Sprintf(format, args...)}
}

// Quote puts a hostile name on one line of printable text: bytes outside it are
// \xNN, and the middle of a very long one is left out.
func Quote(name string) string {
	const keep = 200
	if len(name) > 2*keep+20 {
		return quote(name[:keep]) + fmt.Sprintf(" … (%d bytes)", len(name))
	}
	return quote(name)
}

func quote(name string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i, r := range name {
		switch {
		case r == '\ufffd' && !strings.HasPrefix(name[i:], "\ufffd"):
			fmt.Fprintf(&b, `\x%02x`, name[i])
		case isControl(r):
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, `\x%02x`, c)
			}
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// Open returns the file's content. Its reader ends with an *Error instead of
// io.EOF when the content is not exactly what the headers declare, and never
// returns more bytes than they do; so whoever writes it away must look at the
// error before giving it a name.
func (f *File) Open() (io.ReadCloser, error) {
	packed := io.NewSectionReader(f.r, f.offset, f.entry.packed)
	r := &reader{f: f}
	switch f.entry.method {
	case methodStored:
		r.plain = packed
		return r, nil
	case methodBzip2:
		r.in = &byteReader{r: packed}
		r.plain = bzip2.NewReader(r.in)
		return r, nil
	}
	z, ok := inflaters.Get().(*inflater)
	if ok {
		if err := z.Reset(packed); err != nil {
			return nil, err
		}
	} else {
		z = &inflater{in: byteReader{r: packed}}
		z.ReadCloser = flate.NewReader(&z.in)
	}
	r.plain, r.in, r.inflater = z, &z.in, z
	return r, nil
}

func (f *File) drain() error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.Copy(io.Discard, r)
	return err
}

// An inflater costs 40 KB to make, more than most files of a wheel are long.
var inflaters sync.Pool

type inflater struct {
	io.ReadCloser
	in byteReader
}

func (z *inflater) Reset(packed io.Reader) error {
	z.in = byteReader{r: packed, buf: z.in.buf}
	return z.ReadCloser.(flate.Resetter).Reset(&z.in, nil)
}

// byteReader is a buffer that flate and bzip2 do not read past the end of their stream,
// so what is left in it is what the stream did not use. Positions rather than a
// shrinking slice: storing a pointer for each byte costs a write barrier.
type byteReader struct {
	r        io.Reader
	buf      []byte
	pos, end int
	err      error
}

func (b *byteReader) fill() error {
	if b.err != nil {
		return b.err
	}
	if b.buf == nil {
		b.buf = make([]byte, 32<<10)
	}
	b.pos = 0
	b.end, b.err = io.ReadFull(b.r, b.buf)
	if b.err == io.ErrUnexpectedEOF {
		b.err = io.EOF
	}
	if b.end > 0 {
		return nil
	}
	return b.err
}

func (b *byteReader) ReadByte() (byte, error) {
	if b.pos == b.end {
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
	c := b.buf[b.pos]
	b.pos++
	return c, nil
}

func (b *byteReader) Read(p []byte) (int, error) {
	if b.pos == b.end {
		if err := b.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, b.buf[b.pos:b.end])
	b.pos += n
	return n, nil
}

// exhausted says whether all of the input was used.
func (b *byteReader) exhausted() bool { return b.pos == b.end && b.fill() == io.EOF }

// reader counts and sums what comes out.
type reader struct {
	f        *File
	plain    io.Reader
	in       *byteReader // what plain reads, when it is compressed
	inflater *inflater   // to be handed on
	n        int64
	crc      uint32
	err      error
}

func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	name, want := r.f.Name, r.f.entry.size
	if r.n == want {
		// One more byte would be one too many.
		var extra [1]byte
		n, err := io.ReadFull(r.plain, extra[:])
		r.err = r.end(n, err)
		return 0, r.err
	}
	if int64(len(p)) > want-r.n {
		p = p[:want-r.n]
	}
	n, err := r.plain.Read(p)
	r.n += int64(n)
	r.crc = crc32.Update(r.crc, crc32.IEEETable, p[:n])
	switch err {
	case nil:
	case io.EOF:
		if r.n < want {
			r.err = refuseEntry(name, "is %d bytes long, its header says %d", r.n, want)
		}
	default:
		r.err = broken(name, err)
	}
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

// end is what a reader that has returned every declared byte ends with; n and
// err are of an attempt to read one more.
func (r *reader) end(n int, err error) error {
	name := r.f.Name
	switch {
	case n > 0:
		return refuseEntry(name, "is longer than the %d bytes its header says", r.f.entry.size)
	case err != io.EOF:
		return broken(name, err)
	case r.in != nil && !r.in.exhausted():
		return refuseEntry(name, "has bytes after its compressed data")
	case r.crc != r.f.entry.crc:
		return refuseEntry(name, "has a wrong checksum")
	}
	return io.EOF
}

func broken(name string, err error) error {
	var deflated flate.CorruptInputError
	var bzipped bzip2.StructuralError
	if errors.As(err, &deflated) || errors.As(err, &bzipped) || err == io.ErrUnexpectedEOF {
		return refuseEntry(name, "has damaged compressed data")
	}
	return fmt.Errorf("read entry %s: %w", Quote(name), err)
}

// Close hands the inflater on. It reports nothing: what matters is the error of
// the last Read.
func (r *reader) Close() error {
	if r.inflater != nil {
		inflaters.Put(r.inflater)
		r.inflater, r.in, r.plain, r.err = nil, nil, nil, io.ErrClosedPipe
	}
	return nil
}
