package misses

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
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

// The bounds of one entry. A real one has about 30 headers; nothing wanted of
// it is longer than a version.
const (
	maxElements = 2000
	maxDepth    = 8
	maxText     = 256
)

// readEntry reads an entry: "cc=4," and a msgpack map with "response", a map
// with "headers" and, inline or not, "body". Whatever else is in it is passed
// over by its length, so a body of gigabytes costs no reading.
func readEntry(r io.ReaderAt, size int64) (entry, error) {
	m := &msgpack{r: r, size: size}
	if magic, err := m.take(5); err != nil || string(magic) != "cc=4," {
		return entry{}, errEntry
	}
	var e entry
	err := m.eachPair(func(key string) error {
		if key != "response" {
			return m.skip(0)
		}
		return m.eachPair(func(key string) error {
			switch key {
			case "headers":
				e.headers = map[string]string{}
				return m.eachPair(func(key string) error {
					name, wanted := strings.CutPrefix(strings.ToLower(key), headerPrefix)
					if !wanted {
						return m.skip(0)
					}
					value, err := m.text()
					e.headers[name] = value
					return err
				})
			case "body":
				n, err := m.bytesHeader()
				if err != nil {
					return err
				}
				e.body, err = m.peek(min(n, 4))
				m.at += n
				return err
			}
			return m.skip(0)
		})
	})
	return e, err
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

// msgpack reads the few types a cache entry has, at an offset, through a small window.
type msgpack struct {
	r        io.ReaderAt
	size, at int64
	window   []byte
	from     int64
	elements int
}

// peek returns the next n bytes, n at most a window's size, without going past them.
func (m *msgpack) peek(n int64) ([]byte, error) {
	if n < 0 || n > m.size-m.at {
		return nil, errEntry
	}
	if m.at < m.from || m.at+n > m.from+int64(len(m.window)) {
		window := make([]byte, min(4096, m.size-m.at))
		got, err := m.r.ReadAt(window, m.at)
		if int64(got) < n {
			return nil, errors.Join(errEntry, err)
		}
		m.window, m.from = window[:got], m.at
	}
	return m.window[m.at-m.from:][:n], nil
}

func (m *msgpack) take(n int64) ([]byte, error) {
	b, err := m.peek(n)
	m.at += n
	return b, err
}

// number reads an unsigned integer of n bytes.
func (m *msgpack) number(n int64) (int64, error) {
	b, err := m.take(n)
	if err != nil {
		return 0, err
	}
	var full [8]byte
	copy(full[8-n:], b)
	return int64(binary.BigEndian.Uint64(full[:])), nil
}

// header reads the first byte of a value and the length that follows it.
// Kind is 's' for text, 'b' for bytes, 'a' array, 'm' map, and 'x' for a value
// without parts, whose length is that of its bytes.
func (m *msgpack) header() (kind byte, n int64, err error) {
	if m.elements++; m.elements > maxElements {
		return 0, 0, errEntry
	}
	first, err := m.number(1)
	if err != nil {
		return 0, 0, err
	}
	long := func(kind byte, width int64) (byte, int64, error) {
		n, err := m.number(width)
		return kind, n, err
	}
	switch c := byte(first); {
	case c <= 0x7f, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
		return 'x', 0, nil
	case c <= 0x8f:
		return 'm', int64(c & 0x0f), nil
	case c <= 0x9f:
		return 'a', int64(c & 0x0f), nil
	case c <= 0xbf:
		return 's', int64(c & 0x1f), nil
	case c >= 0xc4 && c <= 0xc6:
		return long('b', 1<<(c-0xc4))
	case c == 0xca:
		return 'x', 4, nil
	case c == 0xcb:
		return 'x', 8, nil
	case c >= 0xcc && c <= 0xcf:
		return 'x', 1 << (c - 0xcc), nil
	case c >= 0xd0 && c <= 0xd3:
		return 'x', 1 << (c - 0xd0), nil
	case c >= 0xd9 && c <= 0xdb:
		return long('s', 1<<(c-0xd9))
	case c == 0xdc, c == 0xdd:
		return long('a', 2<<(c-0xdc))
	case c == 0xde, c == 0xdf:
		return long('m', 2<<(c-0xde))
	}
	return 0, 0, errEntry // extension types: pip writes none
}

// eachPair reads a map and calls do with each key; do reads the value.
func (m *msgpack) eachPair(do func(key string) error) error {
	kind, n, err := m.header()
	if err != nil || kind != 'm' {
		return errors.Join(errEntry, err)
	}
	for range n {
		key, err := m.text()
		if err != nil {
			return err
		}
		if err := do(key); err != nil {
			return err
		}
	}
	return nil
}

// text reads a string; one too long to be wanted comes back empty.
func (m *msgpack) text() (string, error) {
	n, err := m.bytesHeader()
	if err != nil {
		return "", err
	}
	if n > maxText {
		m.at += n
		return "", nil
	}
	b, err := m.take(n)
	return string(b), err
}

// bytesHeader reads the header of text or bytes, which must fit into the entry.
func (m *msgpack) bytesHeader() (int64, error) {
	kind, n, err := m.header()
	if err != nil || kind != 's' && kind != 'b' || n < 0 || n > m.size-m.at {
		return 0, errors.Join(errEntry, err)
	}
	return n, nil
}

// skip passes over one value.
func (m *msgpack) skip(depth int) error {
	kind, n, err := m.header()
	if err != nil {
		return err
	}
	switch kind {
	case 'a', 'm':
		if depth == maxDepth {
			return errEntry
		}
		if kind == 'm' {
			n *= 2
		}
		for range n { // ends at maxElements, whatever n claims
			if err := m.skip(depth + 1); err != nil {
				return err
			}
		}
		return nil
	}
	if n < 0 || n > m.size-m.at {
		return errEntry
	}
	m.at += n
	return nil
}
