package resolve

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/builder/maven/settings"
)

// mirror answers with what Maven's configured mirror has. It keeps that from run to run, outside of the
// checkout, and what the mirror has not got, too.
type mirror struct {
	*testing.T
	dir  string
	from settings.Config

	mu                      sync.Mutex
	found, missing, fetched []string
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	c, err := settings.FromMaven(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return &mirror{T: t, dir: filepath.Join(home, "larder-test/maven"), from: c}
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := m.get(r.URL.Path)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		m.missing = append(m.missing, r.URL.Path)
		http.NotFound(w, r)
	case err != nil:
		m.Error(err)
		http.Error(w, "the mirror fails", http.StatusBadGateway)
	default:
		m.found = append(m.found, r.URL.Path)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	}
}

func (m *mirror) get(path string) ([]byte, error) {
	name := filepath.Join(m.dir, fmt.Sprintf("%x", sha256.Sum256([]byte(path))))
	text, err := os.ReadFile(name)
	if err == nil && len(text) > 0 {
		return text, nil
	}
	if err == nil { // it has not got it
		return nil, fs.ErrNotExist
	}
	m.mu.Lock()
	m.fetched = append(m.fetched, path)
	m.mu.Unlock()
	ask, err := http.NewRequestWithContext(m.Context(), http.MethodGet, m.from.Repository+path, nil)
	if err != nil {
		return nil, err
	}
	if login := m.from.Credentials.Header(ask.URL); login != "" {
		ask.Header.Set("Authorization", login)
	}
	answer, err := http.DefaultClient.Do(ask)
	if err != nil {
		return nil, errors.New("the configured mirror does not answer")
	}
	defer answer.Body.Close()
	if text, err = io.ReadAll(answer.Body); err != nil {
		return nil, err
	}
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		text = nil
	default:
		return nil, fmt.Errorf("the configured mirror says %s", answer.Status)
	}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return nil, err
	}
	temp := fmt.Sprintf("%s.%d", name, os.Getpid())
	if err = os.WriteFile(temp, text, 0o644); err == nil {
		err = os.Rename(temp, name)
	}
	if err == nil && text == nil {
		err = fs.ErrNotExist
	}
	return text, err
}

// stock writes what was found into a local repository: jars, or what else there is, and POMs.
func (m *mirror) stock(dir string) {
	m.Helper()
	slices.Sort(m.found)
	for _, path := range slices.Compact(m.found) {
		if base := filepath.Base(path); strings.HasPrefix(base, "maven-metadata") || slices.Contains([]string{".sha1", ".md5", ".sha256", ".sha512", ".asc"}, filepath.Ext(base)) {
			continue
		}
		text, err := m.get(path)
		name := filepath.Join(dir, path)
		if err = errors.Join(err, os.MkdirAll(filepath.Dir(name), 0o755)); err == nil {
			err = os.WriteFile(name, text, 0o644)
		}
		if err != nil {
			m.Fatal(err)
		}
	}
}
