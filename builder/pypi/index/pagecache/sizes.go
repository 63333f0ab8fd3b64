package pagecache

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxSizes bounds the file of sizes: about 800,000 lines.
const maxSizes = 64 << 20

// Size is what a HEAD told once.
func (c *Cache) Size(fileURL string) (int64, bool) {
	if c == nil {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loadSizes()
	n, ok := c.known[urlKey(fileURL)]
	return n, ok
}

// PutSize remembers it.
func (c *Cache) PutSize(fileURL string, n int64) {
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

func (c *Cache) loadSizes() {
	if c.known != nil {
		return
	}
	c.known = map[string]int64{}
	path := filepath.Join(c.dir, "sizes")
	if info, err := os.Stat(path); err == nil && info.Size() > maxSizes {
		os.Remove(path)
	}
	f, err := open(path)
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
