package index

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
	"strconv"
	"strings"
	"sync"
	"time"
)

// PageCache keeps pages that carry an ETag or a Last-Modified, so that an
// unchanged page costs one small answer (304), and the sizes that HEADs told.
// It is a cache only: every damage reads as a miss, nothing in it is needed,
// and failures to write are silent. Several processes may share one.
//
//	pages/ab/cdef…   SHA-256 of the rest, one JSON line (pageHead), the body as
//	                 it came; the name is the SHA-256 of the page's URL
//	sizes            lines "SHA-256-of-URL size"
//
// A nil *PageCache caches nothing.
type PageCache struct {
	dir string
	max int64

	mu    sync.Mutex
	used  int64 // bytes in pages, -1 before the first count
	known map[string]int64
}

// maxSizes bounds the file of sizes: about 800,000 lines.
const maxSizes = 64 << 20

// OpenPageCache uses dir, making it if need be, private to its owner. When
// the pages exceed max bytes (0: 1 GiB) the ones longest unused go.
func OpenPageCache(dir string, max int64) (*PageCache, error) {
	if max <= 0 {
		max = 1 << 30
	}
	if err := os.MkdirAll(filepath.Join(dir, "pages"), 0o700); err != nil {
		return nil, fmt.Errorf("open page cache: %w", err)
	}
	return &PageCache{dir: dir, max: max, used: -1}, nil
}

// pageHead is the second line of a cached page. Nothing in it is secret: pages
// whose URL has a query are not kept.
type pageHead struct {
	URL          string `json:"url"` // where it came from, after redirects
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Type         string `json:"type"`
	Encoding     string `json:"encoding,omitempty"`
}

type cachedPage struct {
	pageHead
	path string
}

func (c *PageCache) path(u *url.URL) string {
	h := urlKey(u.String())
	return filepath.Join(c.dir, "pages", h[:2], h[2:])
}

func urlKey(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// page finds the entry for a URL, or nil.
func (c *PageCache) page(u *url.URL) *cachedPage {
	if c == nil {
		return nil
	}
	e := &cachedPage{path: c.path(u)}
	f, err := os.Open(e.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	in := bufio.NewReader(io.LimitReader(f, 16<<10))
	if _, err := in.Discard(2*sha256.Size + 1); err != nil {
		return nil
	}
	line, err := in.ReadBytes('\n')
	if err != nil || json.Unmarshal(line, &e.pageHead) != nil || e.ETag == "" && e.LastModified == "" {
		return nil
	}
	return e
}

func (e *cachedPage) ask(h http.Header) {
	if e.ETag != "" {
		h.Set("If-None-Match", e.ETag)
	}
	if e.LastModified != "" {
		h.Set("If-Modified-Since", e.LastModified)
	}
}

// body reads the whole entry and its head again: another process may have
// written it since.
func (e *cachedPage) body() ([]byte, error) {
	b, err := os.ReadFile(e.path)
	if err != nil {
		return nil, err
	}
	want, rest, _ := bytes.Cut(b, []byte("\n"))
	line, b, _ := bytes.Cut(rest, []byte("\n"))
	var head pageHead
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != string(want) || json.Unmarshal(line, &head) != nil || head != e.pageHead {
		return nil, errors.New("damaged")
	}
	now := time.Now()
	os.Chtimes(e.path, now, now) // the least recently used pages go first
	return b, nil
}

func (c *PageCache) drop(u *url.URL) { os.Remove(c.path(u)) }

// pageWriter gathers a page's body; commit makes it an entry.
type pageWriter struct {
	cache *PageCache
	path  string
	head  pageHead
	body  bytes.Buffer
	over  bool
}

// newPage returns nil when the answer is not to be kept.
func (c *PageCache) newPage(u *url.URL, a *answer) *pageWriter {
	if c == nil || a.url.RawQuery != "" || u.RawQuery != "" || strings.Contains(strings.ToLower(a.Header.Get("Cache-Control")), "no-store") {
		return nil
	}
	h := pageHead{
		URL: clean(a.url), ETag: a.Header.Get("ETag"), LastModified: a.Header.Get("Last-Modified"),
		Type: a.Header.Get("Content-Type"), Encoding: a.Header.Get("Content-Encoding"),
	}
	if h.ETag == "" && h.LastModified == "" {
		return nil
	}
	return &pageWriter{cache: c, path: c.path(u), head: h}
}

// Write never fails: a page that cannot be kept is still read.
func (w *pageWriter) Write(p []byte) (int, error) {
	if w.over = w.over || int64(w.body.Len()+len(p)) > w.cache.max/4; !w.over {
		w.body.Write(p)
	}
	return len(p), nil
}

func (w *pageWriter) commit() {
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
	rest := slices.Concat(line, []byte("\n"), w.body.Bytes())
	_, err = fmt.Fprintf(f, "%x\n%s", sha256.Sum256(rest), rest)
	// No fsync: a torn entry does not match its hash and is a miss.
	if err := errors.Join(err, f.Close()); err != nil || os.Rename(f.Name(), w.path) != nil {
		os.Remove(f.Name())
		return
	}
	w.cache.account(int64(2*sha256.Size + 1 + len(rest)))
}

// account keeps pages below max, sweeping down to three quarters. A page
// written over counts twice until the next sweep, which only makes it earlier.
func (c *PageCache) account(n int64) {
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

func (c *PageCache) size(fileURL string) (int64, bool) {
	if c == nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loadSizes()
	n, ok := c.known[urlKey(fileURL)]
	return n, ok
}

func (c *PageCache) putSize(fileURL string, n int64) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loadSizes()
	key := urlKey(fileURL)
	c.known[key] = n
	f, err := os.OpenFile(filepath.Join(c.dir, "sizes"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %d\n", key, n) // one write: lines of several processes do not mix
}

func (c *PageCache) loadSizes() {
	if c.known != nil {
		return
	}
	c.known = map[string]int64{}
	path := filepath.Join(c.dir, "sizes")
	if info, err := os.Stat(path); err == nil && info.Size() > maxSizes {
		os.Remove(path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		key, size, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseInt(size, 10, 64)
		if ok && err == nil && n >= 0 && len(key) == 64 && strings.HasSuffix(line, "\n") {
			c.known[key] = n
		}
	}
}
