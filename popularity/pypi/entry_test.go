package pypi

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"larder/snapshot/ecosystem"
)

func FuzzReadEntry(f *testing.F) {
	f.Add(pipEntry([]byte(zipBody), fileHeaders("flask", "3.0", "cp311")))
	f.Add(pipEntry(nil, map[string]string{"a": "b"}))
	f.Add([]byte("cc=4,\x81\xa8response\x81\xa7headers\xde\x00\x01\xd9\x01x\xc4\x01y"))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := readEntry(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			if m, ok := fromHeaders(e.headers); ok {
				if again, ok := (Leftovers{}).Valid(m); !ok || again != m {
					t.Fatalf("%+v is not what it becomes: %+v", m, again)
				}
			}
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"a-1.0-py3-none-any.whl", "1.0-cp311-cp311-x.http", "a-1.0.dist-info", "-.dist-info"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		for _, from := range []func() (ecosystem.Miss, bool){
			func() (ecosystem.Miss, bool) { return fromWheel(name, ecosystem.Built) },
			func() (ecosystem.Miss, bool) { return fromUV(name, name) },
			func() (ecosystem.Miss, bool) { return fromDistInfo(name, "3.11") },
		} {
			if m, ok := from(); ok {
				if again, ok := (Leftovers{}).Valid(m); !ok || again != m {
					t.Fatalf("%q gives %+v", name, m)
				}
			}
		}
	})
}

// counted counts what is read of data, behind which gap zero bytes lie before the rest.
type counted struct {
	data, rest []byte
	gap        int64
	read       int
}

func (c *counted) ReadAt(p []byte, at int64) (int, error) {
	for i := range p {
		switch n := at + int64(i); {
		case n < int64(len(c.data)):
			p[i] = c.data[n]
		case n < int64(len(c.data))+c.gap:
			p[i] = 0
		case n < int64(len(c.data)+len(c.rest))+c.gap:
			p[i] = c.rest[n-int64(len(c.data))-c.gap]
		default:
			c.read += i
			return i, io.EOF
		}
	}
	c.read += len(p)
	return len(p), nil
}

func TestReadEntryBounds(t *testing.T) {
	headers := "\xa7headers\x81\xb3X-PyPI-File-Project\xa5flask"
	body := "\xa4body\xc6\xff\xff\x00\x00"
	for name, test := range map[string]struct {
		file  counted
		reads int
		ok    bool
	}{
		"a body of gigabytes, and what follows": {counted{data: []byte("cc=4,\x81\xa8response\x82" + body), gap: 0xffff0000, rest: []byte(headers)}, 10_000, true},
		"a body of gigabytes that is cut":       {counted{data: []byte("cc=4,\x81\xa8response\x82" + headers + body), gap: 0xfffeffff}, 10_000, false},
		"gigabytes of nothing":                  {counted{data: []byte("cc=4,\x81\xa1x\xdd\xff\xff\xff\xff"), gap: 0xffffffff}, maxRead, false},
		"nesting":                               {counted{data: []byte("cc=4,\x81\xa1x" + strings.Repeat("\x91", 100_000) + "\xc0")}, 10_000, false},
		"a value of gigabytes":                  {counted{data: []byte("cc=4,\x81\xa8response\x81\xa7headers\x81\xb3X-PyPI-File-Project\xdb\xff\xff\x00\x00"), gap: 0xffff0000}, 10_000, true},
		"a key of gigabytes":                    {counted{data: []byte("cc=4,\x81\xdb\xff\xff\x00\x00"), gap: 0xffff0000, rest: []byte("\xc0")}, 10_000, true},
	} {
		size := int64(len(test.file.data)+len(test.file.rest)) + test.file.gap
		e, err := readEntry(&test.file, size)
		if (err == nil) != test.ok || test.file.read > test.reads {
			t.Errorf("%s: %v, %d bytes read", name, err, test.file.read)
		}
		if strings.Contains(name, "follows") && e.headers["project"] != "flask" {
			t.Errorf("%s: %v", name, e.headers)
		}
		if strings.Contains(name, "value") && e.headers["project"] != "" {
			t.Errorf("%s: %v", name, e.headers)
		}
	}
}
