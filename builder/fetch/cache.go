package fetch

import (
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

	"larder/snapshot"
)

// Cache keeps answers on disk, so that one that has not changed costs one small answer
// (304). It is a cache only: every damage reads as a miss, and nothing in it is needed.
// Several processes may share one. It holds what a private index said, so it is private
// to its owner; of an address, the user, the query and the fragment are kept only as a
// hash.
//
//	ab/cdef…  the SHA-256 of the rest, a line of JSON (head), the body as it came; named
//	          by the SHA-256 of the request; its modification time is when the server
//	          last said so
//
// A nil *Cache keeps nothing.
type Cache struct {
	Now func() time.Time // the clock

	dir string
	max int64

	mu   sync.Mutex
	used int64 // bytes, -1 before the first count
}

// NewCache uses dir, which is made with the first answer. When the answers exceed max
// bytes (0: 1 GiB), those longest unused go.
func NewCache(dir string, max int64) *Cache {
	if max <= 0 {
		max = 1 << 30
	}
	return &Cache{Now: time.Now, dir: dir, max: max, used: -1}
}

// head is what is kept of an answer's header. Nothing in it is secret.
type head struct {
	URL          string `json:"url"` // where it came from, after redirects, cleaned
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	Type         string `json:"type"`
	Encoding     string `json:"encoding,omitempty"`
	CacheControl string `json:"cache_control,omitempty"`
	Vary         string `json:"vary,omitempty"`
}

func headOf(a *answer) head {
	h := a.Header
	return head{Clean(a.from), h.Get("ETag"), h.Get("Last-Modified"), h.Get("Content-Type"), h.Get("Content-Encoding"),
		strings.Join(h.Values("Cache-Control"), ", "), strings.Join(h.Values("Vary"), ", ")}
}

// answer is one without its body.
func (h head) answer(from *url.URL) *Answer {
	return &Answer{From: from, Type: h.Type, Encoding: h.Encoding, ETag: h.ETag, LastModified: h.LastModified, CacheControl: h.CacheControl, Vary: h.Vary}
}

// maxHead bounds what an entry has before its body.
const maxHead = 8 << 10

// entry is one kept answer.
type entry struct {
	head
	body []byte
	path string
	said time.Time
}

func (e *entry) answer() (*Answer, error) {
	from, err := url.Parse(e.URL)
	if err != nil {
		return nil, err
	}
	a := e.head.answer(from)
	a.Body, a.Delimited, a.Said = e.body, true, e.said
	return a, nil
}

// condition makes a request conditional.
func (e *entry) condition(h http.Header) {
	if e == nil {
		return
	}
	if e.ETag != "" {
		h.Set("If-None-Match", e.ETag)
	}
	if e.LastModified != "" {
		h.Set("If-Modified-Since", e.LastModified)
	}
}

func (c *Cache) path(key string) string {
	sum := sha256.Sum256([]byte(key))
	h := hex.EncodeToString(sum[:])
	return filepath.Join(c.dir, h[:2], h[2:])
}

// find reads the answer kept under a key, or returns nil. After damage anything may have
// its name: a pipe, say, is not waited for.
func (c *Cache) find(key string, max int64) *entry {
	if c == nil {
		return nil
	}
	e := &entry{path: c.path(key)}
	f, err := os.OpenFile(e.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > max+maxHead {
		return nil
	}
	e.said = info.ModTime()
	b := make([]byte, info.Size())
	if _, err := io.ReadFull(f, b); err != nil {
		return nil
	}
	want, rest, _ := bytes.Cut(b, []byte("\n"))
	line, body, _ := bytes.Cut(rest, []byte("\n"))
	if sum := sha256.Sum256(rest); hex.EncodeToString(sum[:]) != string(want) || json.Unmarshal(line, &e.head) != nil {
		return nil
	}
	e.body = body
	return e
}

// Last is the answer that was kept last for a request, without asking.
func (c *Cache) Last(r Request) (*Answer, bool) {
	e := c.find(r.key(), r.MaxBytes)
	if e == nil {
		return nil, false
	}
	a, err := e.answer()
	return a, err == nil
}

// keep writes an entry. It is not synced: a torn one does not match its hash.
func (c *Cache) keep(key string, h head, body []byte) error {
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if len(line) > maxHead-2*sha256.Size-2 || int64(len(body)) > c.max/4 {
		return errors.New("too large for the cache")
	}
	sum := sha256.New()
	sum.Write(append(line, '\n'))
	sum.Write(body)
	file := append(fmt.Appendf(make([]byte, 0, len(body)+maxHead), "%x\n%s\n", sum.Sum(nil), line), body...)
	path, now := c.path(key), c.Now()
	err = os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = snapshot.WriteFile(path, file, 0o600)
	}
	if err == nil {
		err = os.Chtimes(path, now, now)
	}
	if err == nil {
		c.account(int64(len(file)))
	}
	return err
}

// touch notes that an answer was said again.
func (c *Cache) touch(e *entry) { _ = os.Chtimes(e.path, c.Now(), c.Now()) }

// drop forgets an answer.
func (c *Cache) drop(e *entry) { _ = os.Remove(e.path) }

// account keeps the cache below max, sweeping down to three quarters. An answer written
// over counts twice until the next sweep, which only makes it earlier.
func (c *Cache) account(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.used >= 0 {
		if c.used += n; c.used <= c.max {
			return
		}
	}
	type file struct {
		path string
		size int64
		used time.Time
	}
	var all []file
	c.used = 0
	_ = filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				all = append(all, file{path, info.Size(), info.ModTime()})
				c.used += info.Size()
			}
		}
		return nil
	})
	if c.used <= c.max {
		return
	}
	slices.SortFunc(all, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range all {
		if c.used <= c.max/4*3 {
			return
		}
		if os.Remove(f.path) == nil {
			c.used -= f.size
		}
	}
}
