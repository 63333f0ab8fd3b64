package wheel

import (
	"archive/zip"
	"bufio"
	"encoding/binary"
	"io"
	"math"

	"github.com/ulikunitz/xz/lzma"
)

// unlzma reads an entry of method 14: the version of the program that made it, the length of the
// properties, those, and the stream (APPNOTE 5.8.8). It ends with a marker where a flag says so,
// else by the size.
func unlzma(packed io.Reader, e *zip.File) io.ReadCloser {
	source := &source{Reader: packed}
	in := bufio.NewReader(source)
	return &unpacker{in: in, stream: &lzmaStream{
		in: in, source: source, left: e.UncompressedSize64, marked: e.Flags&flagLZMAMarker != 0,
	}}
}

// lzmaStream makes its decoder when the first byte is asked for: until then there is nobody to tell
// that the header is damaged.
type lzmaStream struct {
	in      *bufio.Reader
	source  *source
	left    uint64
	marked  bool
	decoder io.Reader
}

func (s *lzmaStream) Read(p []byte) (n int, err error) {
	if s.decoder == nil {
		s.decoder, err = s.open()
	}
	if err == nil {
		n, err = s.decoder.Read(p)
	}
	if uint64(n) > s.left {
		return 0, zip.ErrFormat
	}
	s.left -= uint64(n)
	switch {
	case err == nil || err == io.EOF && s.left == 0:
		return n, err
	case s.source.err != nil:
		return n, s.source.err
	}
	return n, errDamaged // the decoder has errors of many kinds for it, io.EOF among them
}

// open turns the header into that of an .lzma file, which the decoder reads: the properties, and
// the size in 8 bytes, all ones when a marker ends the stream. A dictionary larger than the entry
// would be memory for nothing.
func (s *lzmaStream) open() (io.Reader, error) {
	var head [4 + 5]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint16(head[2:]) != 5 {
		return nil, errDamaged
	}
	dictionary := binary.LittleEndian.Uint32(head[5:])
	binary.LittleEndian.PutUint32(head[5:], uint32(min(uint64(dictionary), max(s.left, lzma.MinDictCap))))
	size := s.left
	if s.marked {
		size = math.MaxUint64
	}
	header := binary.LittleEndian.AppendUint64(head[4:], size)
	return lzma.NewReader(&spliced{header, s.in})
}

// spliced is a header and what follows it, byte by byte, so that the decoder takes none too many.
type spliced struct {
	header []byte
	rest   *bufio.Reader
}

func (s *spliced) Read(p []byte) (int, error) {
	if len(s.header) == 0 {
		return s.rest.Read(p)
	}
	n := copy(p, s.header)
	s.header = s.header[n:]
	return n, nil
}

func (s *spliced) ReadByte() (byte, error) {
	if len(s.header) == 0 {
		return s.rest.ReadByte()
	}
	b := s.header[0]
	s.header = s.header[1:]
	return b, nil
}

// source remembers an error of the file that is read: it is no damage of the wheel.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}
