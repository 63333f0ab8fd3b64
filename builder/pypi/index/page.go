package index

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"larder/builder/fetch"
)

// The types pip asks for and the only ones it reads, in its order.
const (
	typeJSON   = "application/vnd.pypi.simple.v1+json"
	typeV1HTML = "application/vnd.pypi.simple.v1+html"
	typeHTML   = "text/html"

	// acceptPage is pip's header for a page.
	acceptPage = typeJSON + ", " + typeV1HTML + "; q=0.1, " + typeHTML + "; q=0.01"
)

// errOther: the index answers for another project than the one asked about.
var errOther = errors.New("the index answers for another project")

// pageSource is where a page comes from and what is expected of it.
type pageSource struct {
	Project  string                        // normalised
	Index    string                        // page root, for File.Index
	From     *url.URL                      // the page's own URL, after redirects
	Type     string                        // Content-Type
	Encoding string                        // Content-Encoding
	MaxBytes int64                         // unpacked
	Allowed  func(from, to *url.URL) error // may a page lead there?
}

// page is what was read.
type page struct {
	Files []File // in page order
	// Unclosed: an HTML page whose end tag never came. Where the length was
	// not told, the page was cut.
	Unclosed bool

	refused []string // why other links to files are not believed
}

// File is one link on a page.
type File struct {
	Filename string
	// URL is absolute, quoted as pip quotes it, without fragment and
	// credentials. Its query may be a secret: do not print it.
	URL            string
	SHA256         string // lower-case hex; "" if the page tells none
	Size           int64  // -1 if the page tells none
	RequiresPython string
	Yanked         bool
	YankedReason   string
	Metadata       bool   // the page says that URL.metadata is there
	MetadataSHA256 string // "" if not told
	Uploaded       int64  // Unix time; 0 if the page tells none that can be read
	Index          string // page root, without credentials
}

// parsePage reads a page's body as the server sent it.
func parsePage(r io.Reader, s pageSource) (*page, error) {
	r = fetch.Limit(r, s.MaxBytes) // what is packed may be endless and empty
	switch strings.ToLower(s.Encoding) {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(bufio.NewReader(r))
		if err != nil {
			return nil, fmt.Errorf("unpack page: %w", err)
		}
		r = z
	default:
		return nil, fmt.Errorf("content encoding %.40q was not asked for", s.Encoding)
	}
	in := bufio.NewReaderSize(fetch.Limit(r, s.MaxBytes), 32<<10)
	p := &pageReader{pageSource: s, seen: map[string]int{}, left: maxLinks}
	p.setBase(s.From)
	kind, _, _ := strings.Cut(strings.ToLower(s.Type), ";")
	var err error
	switch first := peek(in); {
	case strings.TrimSpace(kind) == typeJSON:
		if first == '<' {
			return nil, errors.New("html where json was promised")
		}
		err = p.readJSON(in)
	case strings.HasPrefix(kind, typeHTML), strings.HasPrefix(kind, typeV1HTML):
		if first == '{' || first == '[' {
			return nil, errors.New("json where html was promised")
		}
		err = p.readHTML(in)
	case kind == "":
		err = errors.New("no content type")
	default:
		err = fmt.Errorf("content type %.60q is not one of an index", kind)
	}
	if err != nil {
		return nil, err
	}
	p.settle()
	return &p.page, nil
}

// peek returns the first byte that is not white space or a byte order mark.
func peek(in *bufio.Reader) byte {
	for n := 1; n <= 1024; n++ {
		b, err := in.Peek(n)
		if err != nil {
			return 0
		}
		if bytes.IndexByte([]byte(" \t\r\n\xef\xbb\xbf"), b[n-1]) < 0 {
			return b[n-1]
		}
	}
	return 0
}
