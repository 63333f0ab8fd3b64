package builder

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// remembered holds what wheels were found to need, by their SHA-256, which never
// changes. It is a file of JSON lines in the store's page cache: as there, damage
// reads as a miss and a failure to write is silent.
type remembered struct {
	mu    *sync.Mutex
	path  string
	lines map[string][]string
}

// What a line, and the whole file, may take: about 30,000 wheels.
const (
	maxRememberedLine = 1 << 20
	maxRemembered     = 64 << 20
)

type rememberedLine struct {
	Wheel    string   `json:"wheel"`
	Requires []string `json:"requires"`
}

func openRemembered(s *snapshot.Store) remembered {
	if s == nil {
		return openRememberedAt("")
	}
	return openRememberedAt(filepath.Join(s.PagesDir(), "requires.jsonl"))
}

// openRememberedAt reads the file at path; "" keeps nothing.
func openRememberedAt(path string) remembered {
	r := remembered{mu: &sync.Mutex{}, path: path, lines: map[string][]string{}}
	if path == "" {
		return r
	}
	f, err := os.OpenFile(r.path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return r
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() || st.Size() > maxRemembered {
		_ = os.Remove(r.path) // begun again: it is a cache
		return r
	}
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, maxRememberedLine)
	for scan.Scan() {
		var l rememberedLine
		if json.Unmarshal(scan.Bytes(), &l) == nil && len(l.Wheel) == 64 {
			r.lines[l.Wheel] = l.Requires
		}
	}
	return r
}

func (r remembered) get(wheel string) ([]string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines, ok := r.lines[wheel]
	return lines, ok
}

func (r remembered) put(wheel string, lines []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, had := r.lines[wheel]; had {
		return
	}
	lines = slices.Clone(lines[:min(len(lines), maxRequires)]) // what is asked of them is no more
	r.lines[wheel] = lines
	if r.path == "" {
		return
	}
	b, err := json.Marshal(rememberedLine{wheel, lines})
	if err != nil || len(b) >= maxRememberedLine {
		return
	}
	if err := os.MkdirAll(filepath.Dir(r.path), 0o700); err != nil {
		return
	}
	f, err := os.OpenFile(r.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	_, _ = f.Write(append(b, '\n')) // one write: lines of two builds do not mix
	_ = f.Close()
}
