package pypi

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// entry is what is read of one of pip's HTTP cache entries.
type entry struct {
	headers map[string]string // those that begin with headerPrefix, without it
	body    []byte            // the first bytes of a body kept inside the entry (pip < 23.3)
}

// headerPrefix is what the public index's file host puts before what it knows
// of a file: project, version, package-type, python-version.
const headerPrefix = "x-pypi-file-"

var errEntry = errors.New("not an HTTP cache entry")

// The bounds of one entry. A real one has about 30 headers in 3 KB; nothing wanted of
// it is longer than a version.
const (
	maxRead  = 256 << 10 // bytes; each element has at least one
	maxDepth = 8
	maxText  = 256
)

// readEntry reads an entry: "cc=4," and a msgpack map with "response", a map
// with "headers" and, inline or not, "body". Whatever else is in it is passed
// over by its length, so a body of gigabytes costs no reading.
func readEntry(r io.ReaderAt, size int64) (entry, error) {
	in := &bounded{SectionReader: io.NewSectionReader(r, 0, size), left: maxRead}
	m := &msgpack{msgp.NewReaderSize(in, 4096)}
	m.SetMaxRecursionDepth(maxDepth)
	if magic, err := m.R.Next(5); err != nil || string(magic) != "cc=4," {
		return entry{}, errEntry
	}
	var e entry
	err := m.eachPair(func(key string) error {
		if key != "response" {
			return m.Skip()
		}
		return m.eachPair(func(key string) (err error) {
			switch key {
			case "headers":
				e.headers, err = m.headers()
			case "body":
				e.body, err = m.begin(4)
			default:
				err = m.Skip()
			}
			return err
		})
	})
	// Passing over what is cut short shows only here: it is no reading.
	if at, _ := in.Seek(0, io.SeekCurrent); err == nil && at-int64(m.Buffered()) > size {
		err = errEntry
	}
	return e, err
}

// bounded is what an entry is read from: reading ends after left bytes. What is passed
// over by seeking does not count.
type bounded struct {
	*io.SectionReader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errEntry
	}
	n, err := b.SectionReader.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// msgpack reads texts without the memory for the length they claim. It seeks over what
// is not wanted, as its reader is an io.Seeker.
type msgpack struct{ *msgp.Reader }

// headers are the wanted ones of a map of headers.
func (m *msgpack) headers() (map[string]string, error) {
	wanted := map[string]string{}
	return wanted, m.eachPair(func(key string) error {
		name, ok := strings.CutPrefix(strings.ToLower(key), headerPrefix)
		if !ok {
			return m.Skip()
		}
		value, err := m.begin(maxText + 1)
		if len(value) <= maxText {
			wanted[name] = string(value)
		}
		return err
	})
}

// eachPair reads a map and calls do with each key; do reads the value. A key too long
// to be wanted is empty.
func (m *msgpack) eachPair(do func(key string) error) error {
	n, err := m.ReadMapHeader()
	for range n {
		var key []byte
		if key, err = m.begin(maxText + 1); err != nil {
			break
		}
		if len(key) > maxText {
			key = nil
		}
		if err = do(string(key)); err != nil {
			break
		}
	}
	return err
}

// begin reads text or bytes, of which it returns no more than the first most.
func (m *msgpack) begin(most int) ([]byte, error) {
	kind, err := m.NextType()
	if err != nil {
		return nil, err
	}
	n, read := uint32(0), m.ReadStringHeader
	if kind == msgp.BinType {
		read = m.ReadBytesHeader
	}
	if n, err = read(); err != nil {
		return nil, err
	}
	b, err := m.R.Peek(int(min(n, uint32(most))))
	if err != nil {
		return nil, err
	}
	b = bytes.Clone(b)
	_, err = m.R.Skip(int(n))
	return b, err
}

// archive tells a wheel or an sdist from the metadata of one, which carries the
// same headers: zip, gzip, bzip2, xz.
func archive(body []byte) bool {
	for _, magic := range []string{"PK\x03\x04", "\x1f\x8b", "BZh", "\xfd7zX"} {
		if strings.HasPrefix(string(body), magic) {
			return true
		}
	}
	return false
}
