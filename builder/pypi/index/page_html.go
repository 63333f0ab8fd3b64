package index

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/net/html"
)

// Bounds of one tag of an HTML page. The tokenizer keeps a map of a tag's attributes
// and empties it for every later tag, at the cost of the largest.
const (
	maxToken      = 1 << 20 // bytes
	maxAttributes = 100
)

// readHTML reads a PEP 503 page by its tags, keeping nothing else.
func (p *pageReader) readHTML(r io.Reader) error {
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
			if len(p.Files)+len(p.refused) == 0 && !index {
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
			if err := p.readAttributes(z, more); err != nil {
				return err
			}
			switch {
			case bytes.Equal(name, []byte("a")):
				if err := p.anchor(); err != nil {
					return err
				}
			case bytes.Equal(name, []byte("base")) && !based:
				var err error
				if based, err = p.rebase(); err != nil {
					return err
				}
			case bytes.Equal(name, []byte("meta")):
				if what, _ := p.attributes.get("name"); what == "pypi:repository-version" {
					index = true
					version, _ := p.attributes.get("content")
					if err := checkVersion(version); err != nil {
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

// rebase takes what links are relative to from a tag, if that has it.
func (p *pageReader) rebase() (done bool, _ error) {
	href, ok := p.attributes.get("href")
	if !ok {
		return false, nil
	}
	u, err := p.base.Parse(strings.TrimSpace(href))
	if err != nil {
		return false, errors.New("the page's base is no URL")
	}
	if err := p.Allowed(p.base, u); err != nil {
		return false, err
	}
	p.setBase(u)
	return true, nil
}

// attributes are those of one tag, each name once: the first one counts in HTML.
type attributes [][2]string

func (a attributes) get(name string) (value string, ok bool) {
	for _, kv := range a {
		if kv[0] == name {
			return kv[1], true
		}
	}
	return "", false
}

func (p *pageReader) readAttributes(z *html.Tokenizer, more bool) error {
	p.attributes = p.attributes[:0]
	for more {
		if len(p.attributes) == maxAttributes {
			return fmt.Errorf("a tag has more than %d attributes", maxAttributes)
		}
		var k, v []byte
		k, v, more = z.TagAttr()
		p.attributes = append(p.attributes, [2]string{string(k), string(v)})
	}
	return nil
}

// anchor takes a link.
func (p *pageReader) anchor() error {
	href, linked := p.attributes.get("href")
	if !linked {
		return nil
	}
	f := File{Size: -1}
	f.RequiresPython, _ = p.attributes.get("data-requires-python")
	f.YankedReason, f.Yanked = p.attributes.get("data-yanked")
	at, _ := p.attributes.get("data-upload-time") // in no standard, yet some indexes have it
	f.Uploaded = uploaded(at)
	core, ok := p.attributes.get("data-core-metadata")
	if !ok {
		core, _ = p.attributes.get("data-dist-info-metadata")
	}
	f.Metadata, f.MetadataSHA256 = hashValue(core)
	return p.add(href, "", f)
}
