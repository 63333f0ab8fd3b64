package index

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"larder/snapshot/pypi/pep508"
)

// pageReader is a page while it is read.
type pageReader struct {
	page
	pageSource
	base   *url.URL       // From, or the page's <base>
	seen   map[string]int // file name -> place in Files
	twice  map[string]bool
	origin string // scheme and host of a link that was allowed

	attributes attributes // of the tag at hand
	baseLength int
	left       int // bytes that links may still take
}

// What the links of one page may take, in bytes: their texts once they are resolved,
// and what we keep beside them. The largest projects have some ten thousand files, 6 MB.
const (
	maxLinks = 64 << 20
	perLink  = 256
)

func (p *pageReader) setBase(u *url.URL) { p.base, p.baseLength = u, len(u.String()) }

func (p *pageReader) spend(n int) error {
	if p.left -= n; p.left < 0 {
		return fmt.Errorf("its links take more than %d MiB", maxLinks>>20)
	}
	return nil
}

// add takes one link. claimed is the name a JSON page gives; an HTML link has
// none: its name is the URL's, which is also the only one pip looks at.
func (p *pageReader) add(href, claimed string, f File) error {
	if err := p.spend(perLink + len(href) + len(f.RequiresPython) + len(f.YankedReason)); err != nil {
		return err
	}
	l, ok := p.plain(href)
	if !ok {
		var reason string
		var err error
		if l, reason, err = p.resolve(href); err != nil {
			return err
		}
		if reason != "" && (claimed != "" || distribution(l.name)) {
			return p.refuse(reason)
		}
	}
	if claimed == "" && !distribution(l.name) {
		return nil // a link to something else
	}
	if reason := p.check(l, cmp.Or(claimed, l.name), &f); reason != "" {
		return p.refuse(reason)
	}
	name := l.name
	f.Filename, f.URL, f.Index = name, l.where, p.Index
	at, again := p.seen[name]
	if !again {
		p.seen[name] = len(p.Files)
		p.Files = append(p.Files, f)
		return nil
	}
	if p.Files[at].SHA256 != f.SHA256 || f.SHA256 == "" {
		if p.twice == nil {
			p.twice = map[string]bool{}
		}
		p.twice[name] = true
	}
	return nil
}

// link is where a link leads: its URL as pip spells it, the fragment, and the file name,
// which is "" when nobody knows it.
type link struct{ where, fragment, name string }

// resolve reads a link. Where it must not be followed there is a reason.
func (p *pageReader) resolve(href string) (l link, reason string, _ error) {
	if err := p.spend(p.baseLength); err != nil { // which becomes part of it
		return l, "", err
	}
	u, err := p.base.Parse(strings.TrimSpace(href))
	if err != nil {
		return l, "its URL cannot be read", nil
	}
	if l.name, err = basename(u); err != nil {
		return l, "the file name is not acceptable", nil
	}
	if err := p.Allowed(p.base, u); err != nil {
		return l, err.Error(), nil
	}
	l.fragment = u.Fragment
	quotePath(u)
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	l.where, p.origin = u.String(), u.Scheme+"://"+u.Host
	return l, "", nil
}

// check says why a file is not believed, or "", and completes what is told of it.
func (p *pageReader) check(l link, claimed string, f *File) (reason string) {
	switch {
	case badName(claimed), badName(l.name):
		return "the file name is not acceptable"
	case claimed != l.name:
		return "its URL ends in another file name"
	}
	if project, _, ok := strings.Cut(l.name, "-"); strings.HasSuffix(l.name, ".whl") && (!ok || pep508.Normalize(project) != p.Project) {
		return "it belongs to another project"
	}
	if f.SHA256 == "" {
		f.SHA256 = fragmentHash(l.fragment)
	}
	for _, sum := range []*string{&f.SHA256, &f.MetadataSHA256} {
		if *sum = strings.ToLower(*sum); *sum != "" && !isSHA256(*sum) {
			return "its sha256 is not 64 hex digits"
		}
	}
	if f.Size < -1 {
		return "its size is negative"
	}
	return ""
}

// plain is the short way for what most links are: an absolute URL at an origin
// already allowed, with nothing to quote or resolve in it.
func (p *pageReader) plain(href string) (l link, ok bool) {
	path, ok := strings.CutPrefix(href, p.origin)
	if !ok || p.origin == "" || !strings.HasPrefix(path, "/") {
		return l, false
	}
	end, slash := len(path), 0
scan:
	for i := 1; i < len(path); i++ {
		switch c := path[i]; {
		case c == '#':
			end = i
			break scan
		case c == '/':
			if path[i-1] == '/' {
				return l, false
			}
			slash = i
		case c == '.' && path[i-1] == '/', !unquoted(c):
			return l, false
		}
	}
	if end < len(path) {
		l.fragment = path[end+1:]
	}
	if end == slash+1 || strings.IndexByte(l.fragment, '%') >= 0 {
		return l, false
	}
	l.where, l.name = href[:len(p.origin)+end], path[slash+1:end]
	return l, true
}

// refuse leaves a link out.
func (p *pageReader) refuse(reason string) error {
	p.refused = append(p.refused, reason)
	return nil
}

// settle takes out the names that stand for two different files.
func (p *pageReader) settle() {
	if len(p.twice) > 0 {
		kept := p.Files[:0]
		for _, f := range p.Files {
			if !p.twice[f.Filename] {
				kept = append(kept, f)
				continue
			}
			p.refuse("the page has it twice with different hashes")
		}
		p.Files = kept
	}
}

// basename is the last segment of the path, unquoted.
func basename(u *url.URL) (string, error) {
	path := strings.TrimRight(u.EscapedPath(), "/")
	return url.PathUnescape(path[strings.LastIndexByte(path, '/')+1:])
}

// distribution tells file names from other links (HTML pages have those too).
func distribution(name string) bool {
	for _, ext := range []string{".whl", ".tar.gz", ".zip", ".egg", ".tar.bz2", ".tgz", ".exe", ".msi", ".rpm", ".tar.xz", ".tar.Z", ".tar", ".dmg", ".deb"} {
		if strings.HasSuffix(name, ext) {
			return true
		}
	}
	return false
}

// badName: a name must be one path element anywhere, and printable.
func badName(name string) bool {
	if name == "" || len(name) > 255 || name[0] == '.' || name[0] == '-' || !utf8.ValidString(name) || strings.ContainsAny(name, "/\\") {
		return true
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r >= 0x80 && r < 0xa0 {
			return true
		}
	}
	return false
}

// fragmentHash reads #sha256=…, alone or among others; other algorithms do not
// count.
func fragmentHash(fragment string) string {
	for part := range strings.FieldsFuncSeq(fragment, func(r rune) bool { return r == '&' || r == '#' }) {
		if sum, ok := strings.CutPrefix(part, "sha256="); ok {
			return sum
		}
	}
	return ""
}

func isSHA256(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 64
}

// quotePath quotes the path as pip does (_ensure_quoted_url in its
// models/link.py): each part between "@" or "%2F" is unquoted and quoted
// again. pip's cache is keyed by that form, and a "+" must become "%2B".
func quotePath(u *url.URL) {
	path, params := u.EscapedPath(), ""
	if i := strings.IndexByte(path[strings.LastIndexByte(path, '/')+1:], ';'); i >= 0 {
		i += strings.LastIndexByte(path, '/') + 1
		path, params = path[:i], path[i:]
	}
	var b strings.Builder
	for len(path) > 0 {
		i, n := reserved(path)
		quote(&b, path[:i])
		b.WriteString(strings.ToUpper(path[i : i+n]))
		path = path[i+n:]
	}
	b.WriteString(params)
	if unquoted, err := url.PathUnescape(b.String()); err == nil {
		u.Path, u.RawPath = unquoted, b.String()
	}
}

// reserved finds the first "@" or "%2F" and its length.
func reserved(s string) (at, length int) {
	for i := range len(s) {
		switch {
		case s[i] == '@':
			return i, 1
		case s[i] == '%' && len(s) >= i+3 && strings.EqualFold(s[i:i+3], "%2f"):
			return i, 3
		}
	}
	return len(s), 0
}

func quote(b *strings.Builder, part string) {
	raw, err := url.PathUnescape(part)
	if err != nil {
		raw = part
	}
	for i := range len(raw) {
		if c := raw[i]; c == '/' || unquoted(c) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(b, "%%%02X", c)
		}
	}
}

func unquoted(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' || c == '~'
}

// checkVersion refuses repository versions of another major number (PEP 629).
func checkVersion(v string) error {
	if major, _, _ := strings.Cut(v, "."); v != "" && major != "1" {
		return fmt.Errorf("the index speaks version %.20q, only 1.x is known", v)
	}
	return nil
}

// hashValue reads "true", "sha256=…" or anything else of a core-metadata
// attribute.
func hashValue(v string) (there bool, sum string) {
	if s, ok := strings.CutPrefix(v, "sha256="); ok {
		return true, s
	}
	return v == "true" || strings.Contains(v, "="), ""
}

var errNoLinks = errors.New("an html page without a link to any file; an error or login page?")

// uploaded reads the time of an upload (PEP 700); 0 is none that can be read.
func uploaded(text string) int64 {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0
	}
	return t.Unix()
}
