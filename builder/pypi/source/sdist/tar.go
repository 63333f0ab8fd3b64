package sdist

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"io"
)

// archive tells the kind by the first bytes and reads it.
func (s *scan) archive(r *io.SectionReader, size int64) error {
	head := make([]byte, 4)
	if _, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	}
	in := bufio.NewReaderSize(r, 64<<10)
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return s.zip(r, size)
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(in)
		if err != nil {
			return bad("cannot be unpacked: %w", err)
		}
		return s.tar(z)
	case bytes.HasPrefix(head, []byte("BZh")):
		return s.tar(bzip2.NewReader(in))
	}
	return bad("is neither .tar.gz nor .tar.bz2 nor .zip")
}

var errLarge = errors.New("more bytes than any source has")

// counted ends a stream that unpacks to too much, and one that nobody waits for.
type counted struct {
	io.Reader
	s    *scan
	left int64
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.Reader.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return 0, errLarge
	}
	return n, err
}

// tar reads a tar archive header by header.
func (s *scan) tar(r io.Reader) error {
	// Each entry takes a header of 512 bytes and is filled up to 512.
	t := tar.NewReader(&counted{r, s, maxUnpacked + maxEntries*1024})
	for {
		h, err := t.Next()
		switch {
		case err == io.EOF:
			return nil
		case s.ctx.Err() != nil:
			return s.ctx.Err()
		case err != nil && !errors.Is(err, tar.ErrInsecurePath): // said by place, in other words
			return bad("cannot be unpacked: %w", err)
		case h.Typeflag == tar.TypeXGlobalHeader:
			continue
		}
		e := entry{name: h.Name, target: h.Linkname, size: h.Size, open: func() (io.Reader, error) { return t, nil }}
		switch h.Typeflag {
		case tar.TypeReg, '\x00', tar.TypeCont, tar.TypeGNUSparse:
		case tar.TypeDir:
			e.kind = dir
		case tar.TypeSymlink:
			e.kind = link
		case tar.TypeLink:
			e.kind = hard
		default:
			e.kind = other
		}
		if err := s.add(e); err != nil {
			return err
		}
	}
}
