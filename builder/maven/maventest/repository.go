package maventest

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"larder/snapshot/maven"
)

// Repository is one on loopback.
type Repository struct {
	server *httptest.Server

	mu     sync.Mutex
	files  map[string][]byte           // by path, without a slash before it
	sums   []string                    // checksums that it has beside its files
	log    []string                    // of requests: "GET path"
	faults map[string]http.HandlerFunc // by path: what answers in the repository's place
	header string                      // the Authorization that it wants
}

// NewRepository starts a repository of releases, until the test ends. Beside each file it has its SHA-1.
func NewRepository(t testing.TB, all ...Release) *Repository {
	r := &Repository{files: map[string][]byte{}, sums: []string{"sha1"}, faults: map[string]http.HandlerFunc{}}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	r.Add(all...)
	return r
}

// URL is its root.
func (r *Repository) URL() string { return r.server.URL + "/maven2" }

// Add publishes releases.
func (r *Repository) Add(all ...Release) {
	for _, release := range all {
		for name, text := range release.Files() {
			r.Put(name, text)
		}
	}
}

// Put publishes one file; nil takes it away.
func (r *Repository) Put(name string, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.files[name] = text; text == nil {
		delete(r.files, name)
	}
}

// Sums are the checksums that it has from now on, such as "sha512" and "sha1".
func (r *Repository) Sums(algorithms ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sums = algorithms
}

// Fault has something else answer requests for a file, as it is on the wire; nil: the repository again.
func (r *Repository) Fault(name string, answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[name] = answer
}

// Want refuses requests without this Authorization.
func (r *Repository) Want(header string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header = header
}

// Requests are those since the last call, in order.
func (r *Repository) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.log
	r.log = nil
	return log
}

// Fetched are the files of Requests, without checksums, sorted.
func (r *Repository) Fetched() []string {
	var files []string
	for _, line := range r.Requests() {
		name, get := strings.CutPrefix(line, "GET ")
		if get && !slices.ContainsFunc(maven.Algorithms(), func(a string) bool { return strings.HasSuffix(line, "."+a) }) {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	return files
}

func (r *Repository) serve(w http.ResponseWriter, req *http.Request) {
	name := strings.TrimPrefix(req.URL.Path, "/maven2/")
	r.mu.Lock()
	r.log = append(r.log, req.Method+" "+name)
	fault, header, text := r.faults[name], r.header, r.answer(name)
	r.mu.Unlock()
	switch {
	case header != "" && req.Header.Get("Authorization") != header:
		http.Error(w, "who are you?", http.StatusUnauthorized)
	case fault != nil:
		fault(w, req)
	case text == nil:
		http.NotFound(w, req)
	default:
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		w.Write(text) // whoever asked may be gone
	}
}

func (r *Repository) answer(name string) []byte {
	if text := r.files[name]; text != nil {
		return text
	}
	for _, a := range r.sums {
		if of, is := strings.CutSuffix(name, "."+a); is && r.files[of] != nil {
			return []byte(Sum(a, r.files[of]))
		}
	}
	return nil
}

// Sum is a checksum in hexadecimal.
func Sum(algorithm string, text []byte) string {
	h := maven.NewHash(algorithm)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// Settings writes settings that have Maven ask the repository for everything. It returns the file's path.
func (r *Repository) Settings(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "settings.xml")
	text := "<settings><mirrors><mirror><id>test</id><mirrorOf>*</mirrorOf><url>" + r.URL() + "</url></mirror></mirrors></settings>\n"
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
