package pagecache

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Cache keeps pages that carry an ETag or a Last-Modified, so that an
// unchanged page costs one small answer (304), and the sizes that HEADs told.
// It is a cache only: every damage reads as a miss, nothing in it is needed,
// and failures to write are silent. Several processes may share one.
//
//	pages/ab/cdef…   SHA-256 of the rest, one JSON line (Head), the body as
//	                 it came; the name is the SHA-256 of the page's URL
//	sizes            lines "SHA-256-of-URL size"
//
// A nil *Cache caches nothing.
type Cache struct {
	dir string
	max int64

	mu    sync.Mutex
	used  int64 // bytes in pages, -1 before the first count
	known map[string]int64
}

// Open uses dir, making it if need be, private to its owner. When
// the pages exceed max bytes (0: 1 GiB) the ones longest unused go.
func Open(dir string, max int64) (*Cache, error) {
	if max <= 0 {
		max = 1 << 30
	}
	if err := os.MkdirAll(filepath.Join(dir, "pages"), 0o700); err != nil {
		return nil, fmt.Errorf("open page cache: %w", err)
	}
	return &Cache{dir: dir, max: max, used: -1}, nil
}

// Head is the second line of a cached page. Nothing in it is secret: pages
// whose URL has a query are not kept.
type Head struct {
	URL          string `json:"url"` // where it came from, after redirects
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Type         string `json:"type"`
	Encoding     string `json:"encoding,omitempty"`
}

// Page is one kept page's head.
type Page struct {
	Head
	path string
}

func (c *Cache) path(u *url.URL) string {
	h := urlKey(u.String())
	return filepath.Join(c.dir, "pages", h[:2], h[2:])
}

func urlKey(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// open opens a remembered file. Whatever else has its name after damage, a pipe say, is not waited for.
func open(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
}

// Page finds the entry for a URL, or nil.
func (c *Cache) Page(u *url.URL) *Page {
	if c == nil {
		return nil
	}
	e := &Page{path: c.path(u)}
	f, err := open(e.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	in := bufio.NewReader(io.LimitReader(f, 16<<10))
	if _, err := in.Discard(2*sha256.Size + 1); err != nil {
		return nil
	}
	line, err := in.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &e.Head) != nil || e.ETag == "" && e.LastModified == "" {
		return nil
	}
	return e
}

// Ask makes a request conditional.
func (e *Page) Ask(h http.Header) {
	if e.ETag != "" {
		h.Set("If-None-Match", e.ETag)
	}
	if e.LastModified != "" {
		h.Set("If-Modified-Since", e.LastModified)
	}
}

// Body reads the entry; an error means that it is damaged, or that another
// process has written it since Page looked.
func (e *Page) Body() ([]byte, error) {
	b, err := os.ReadFile(e.path)
	if err != nil {
		return nil, err
	}
	want, rest, _ := bytes.Cut(b, []byte("\n"))
	line, b, _ := bytes.Cut(rest, []byte("\n"))
	var head Head
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != string(want) || json.Unmarshal(line, &head) != nil || head != e.Head {
		return nil, errors.New("damaged")
	}
	now := time.Now()
	os.Chtimes(e.path, now, now) // the least recently used pages go first
	return b, nil
}

// Drop forgets a page.
func (c *Cache) Drop(u *url.URL) { os.Remove(c.path(u)) }

// Writer gathers a page's body; Commit makes it an entry.
type Writer struct {
	cache *Cache
	path  string
	head  Head
	body  bytes.Buffer
	over  bool
}

// Writer for the answer to a request for page u, which came from another URL if
// there were redirects. nil when the answer is not to be kept.
func (c *Cache) Writer(u, from *url.URL, header http.Header) *Writer {
	if c == nil || from.RawQuery != "" || u.RawQuery != "" || strings.Contains(strings.ToLower(header.Get("Cache-Control")), "no-store") {
		return nil
	}
	h := Head{
		URL: from.String(), ETag: header.Get("ETag"), LastModified: header.Get("Last-Modified"),
		Type: header.Get("Content-Type"), Encoding: header.Get("Content-Encoding"),
	}
	if h.ETag == "" && h.LastModified == "" {
		return nil
	}
	return &Writer{cache: c, path: c.path(u), head: h}
}

// Write never fails: a page that cannot be kept is still read.
func (w *Writer) Write(p []byte) (int, error) {
	if w.over = w.over || int64(w.body.Len()+len(p)) > w.cache.max/4; !w.over {
		w.body.Write(p)
	}
	return len(p), nil
}

// Commit does nothing on a nil Writer.
func (w *Writer) Commit() {
	if w == nil || w.over {
		return
	}
	line, err := json.Marshal(w.head)
	if err != nil || len(line) > 8<<10 {
		return
	}
	if os.MkdirAll(filepath.Dir(w.path), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(w.path), ".new-*")
	if err != nil {
		return
	}
	defer f.Close()
	// Whoever sweeps the store takes a file that is locked for one being written.
	_ = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	rest := slices.Concat(line, []byte("\n"), w.body.Bytes())
	_, err = fmt.Fprintf(f, "%x\n%s", sha256.Sum256(rest), rest)
	// No fsync: a torn entry does not match its hash and is a miss.
	if err != nil || os.Rename(f.Name(), w.path) != nil {
		os.Remove(f.Name())
		return
	}
	w.cache.account(int64(2*sha256.Size + 1 + len(rest)))
}

// account keeps pages below max, sweeping down to three quarters. A page
// written over counts twice until the next sweep, which only makes it earlier.
func (c *Cache) account(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used >= 0 {
		if c.used += n; c.used <= c.max {
			return
		}
	}
	type entry struct {
		path string
		size int64
		used time.Time
	}
	var all []entry
	c.used = 0
	filepath.WalkDir(filepath.Join(c.dir, "pages"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				all = append(all, entry{path, info.Size(), info.ModTime()})
				c.used += info.Size()
			}
		}
		return nil
	})
	if c.used <= c.max {
		return
	}
	slices.SortFunc(all, func(a, b entry) int { return a.used.Compare(b.used) })
	for _, e := range all {
		if c.used <= c.max/4*3 {
			return
		}
		if os.Remove(e.path) == nil {
			c.used -= e.size
		}
	}
}
