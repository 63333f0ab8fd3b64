package pypi

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// remembered holds what wheels were found to need, by their SHA-256, which never
// changes. It is a file of JSON lines in the store's page cache, the later of two about
// one wheel counts: as there, damage reads as a miss and a failure to write is silent.
//
// What the wheel itself says, or the index under a hash, is for ever. What an index
// served without one may have been wrong: it is asked again after a while.
type remembered struct {
	mu    *sync.Mutex
	path  string
	lines map[string]rememberedLine
}

// doubt is how long unhashed metadata is believed.
const doubt = 30 * 24 * time.Hour

// What a line, and the whole file, may take: about 30,000 wheels.
const (
	maxRememberedLine = 1 << 20
	maxRemembered     = 64 << 20
)

type rememberedLine struct {
	Wheel    string   `json:"wheel"`
	Requires []string `json:"requires"`
	Until    int64    `json:"until,omitempty"` // Unix time; 0 for ever
}

func (l rememberedLine) holds() bool { return l.Until == 0 || time.Now().Unix() < l.Until }

// openRemembered reads the file at path; "" keeps nothing.
func openRemembered(path string) remembered {
	r := remembered{mu: &sync.Mutex{}, path: path, lines: map[string]rememberedLine{}}
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
			r.lines[l.Wheel] = l
		}
	}
	return r
}

func (r remembered) get(wheel string) ([]string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.lines[wheel]
	return l.Requires, ok && l.holds()
}

// put remembers what a wheel needs; sure says that it or the index's hash stands for it.
func (r remembered) put(wheel string, lines []string, sure bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if had, ok := r.lines[wheel]; ok && had.holds() && (had.Until == 0 || !sure) {
		return
	}
	lines = slices.Clone(lines[:min(len(lines), maxRequires)]) // what is asked of them is no more
	l := rememberedLine{Wheel: wheel, Requires: lines}
	if !sure {
		l.Until = time.Now().Add(doubt).Unix()
	}
	r.lines[wheel] = l
	if r.path == "" {
		return
	}
	b, err := json.Marshal(l)
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
