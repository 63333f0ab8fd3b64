package page

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"golang.org/x/net/html"
)

// maxToken bounds one tag of an HTML page.
const maxToken = 1 << 20

// readHTML reads a PEP 503 page by its tags, keeping nothing else.
func (p *reader) readHTML(r io.Reader) error {
	z := html.NewTokenizer(r)
	z.SetMaxBuf(maxToken)
	var opened, closed, based, index bool
	title := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); err != io.EOF {
				if errors.Is(err, html.ErrBufferExceeded) {
					err = errors.New("a tag is larger than 1 MiB")
				}
				return err
			}
			p.Unclosed = opened && !closed
			if len(p.Files)+len(p.Refused) == 0 && !index {
				return errNoLinks
			}
			return nil
		case html.TextToken:
			// PEP 503 pages are titled so by every index seen; it tells a
			// project without files from an error page.
			if title && strings.HasPrefix(strings.ToLower(strings.TrimSpace(string(z.Raw()))), "links for") {
				index = true
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			closed = closed || string(name) == "html" || string(name) == "body"
			title = false
		case html.StartTagToken, html.SelfClosingTagToken:
			name, more := z.TagName()
			switch {
			case bytes.Equal(name, []byte("a")):
				if err := p.anchor(z, more); err != nil {
					return err
				}
			case bytes.Equal(name, []byte("base")) && !based:
				if href, ok := attributes(z, more)["href"]; ok {
					based = true
					u, err := p.base.Parse(strings.TrimSpace(href))
					if err != nil {
						return errors.New("the page's base is no URL")
					}
					if err := p.Allowed(p.base, u); err != nil {
						return err
					}
					p.base = u
				}
			case bytes.Equal(name, []byte("meta")):
				a := attributes(z, more)
				if a["name"] == "pypi:repository-version" {
					index = true
					if err := checkVersion(a["content"]); err != nil {
						return err
					}
				}
			case bytes.Equal(name, []byte("html")), bytes.Equal(name, []byte("body")):
				opened = true
			case bytes.Equal(name, []byte("title")), bytes.Equal(name, []byte("h1")):
				title = true
			}
		}
	}
}

func attributes(z *html.Tokenizer, more bool) map[string]string {
	m := map[string]string{}
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		if _, again := m[string(k)]; !again { // the first one counts in HTML
			m[string(k)] = string(v)
		}
	}
	return m
}

// anchor reads one link's attributes; the first of a name counts, as in HTML.
func (p *reader) anchor(z *html.Tokenizer, more bool) error {
	var href, core, old string
	var linked, cored, olded, yanked bool
	f := File{Size: -1}
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		switch string(k) {
		case "href":
			if !linked {
				href, linked = string(v), true
			}
		case "data-requires-python":
			if f.RequiresPython == "" {
				f.RequiresPython = string(v)
			}
		case "data-yanked":
			if !yanked {
				f.YankedReason, yanked = string(v), true
			}
		case "data-core-metadata":
			if !cored {
				core, cored = string(v), true
			}
		case "data-dist-info-metadata":
			if !olded {
				old, olded = string(v), true
			}
		case "data-upload-time": // no standard has it in HTML, some mirrors do
			if f.UploadTime.IsZero() {
				f.UploadTime = uploadTime(string(v))
			}
		}
	}
	if !linked {
		return nil
	}
	if !cored {
		core = old
	}
	f.Yanked = yanked
	f.Metadata, f.MetadataSHA256 = hashValue(core)
	return p.add(href, "", f)
}
