package index

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"larder/builder/fetch"
)

// maxSizes bounds the file of sizes: about 800,000 lines.
const maxSizes = 64 << 20

// PageCache keeps what an index said between two runs, in a directory of the caller's:
//
//	pages/  the pages (see fetch.Cache)
//	sizes   lines "SHA-256-of-URL size": the lengths of files that only a HEAD told
//
// It is a cache only: every damage reads as a miss, nothing in it is needed, and failures
// to write are silent. Several processes may share one. The zero value remembers sizes
// for as long as it lives.
type PageCache struct {
	pages *fetch.Cache
	path  string // of sizes

	mu    sync.Mutex
	known map[string]int64 // sizes; nil before the file was read
}

// OpenPageCache uses dir, making it if need be, private to its owner. When the pages
// exceed max bytes (0: 1 GiB) the ones longest unused go.
func OpenPageCache(dir string, max int64) (*PageCache, error) {
	pages := filepath.Join(dir, "pages")
	if err := os.MkdirAll(pages, 0o700); err != nil {
		return nil, fmt.Errorf("open page cache: %w", err)
	}
	return &PageCache{pages: fetch.NewCache(pages, max), path: filepath.Join(dir, "sizes")}, nil
}

func sizeKey(fileURL string) string {
	sum := sha256.Sum256([]byte(fileURL))
	return hex.EncodeToString(sum[:])
}

// size is what a HEAD told once.
func (c *PageCache) size(fileURL string) (int64, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	n, ok := c.known[sizeKey(fileURL)]
	return n, ok
}

// putSize remembers it.
func (c *PageCache) putSize(fileURL string, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.load()
	key := sizeKey(fileURL)
	c.known[key] = n
	if c.path == "" {
		return
	}
	f, err := os.OpenFile(c.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%s %d\n", key, n) // one write: lines of several processes do not mix
}

func (c *PageCache) load() {
	if c.known != nil {
		return
	}
	c.known = map[string]int64{}
	if c.path == "" {
		return
	}
	if info, err := os.Stat(c.path); err == nil && info.Size() > maxSizes {
		os.Remove(c.path)
	}
	// After damage anything may have the name: a pipe, say, is not waited for.
	f, err := os.OpenFile(c.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	b, err := io.ReadAll(f)
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
