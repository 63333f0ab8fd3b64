package sources

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"larder/popularity"
)

// answer is what an address said, and what is kept of it between runs: one
// file per request, named by the SHA-256 of its address (which may hold a
// token, so it is not written down) and body, first line JSON, then the body as it came.
// One file, replaced by one rename, so head and body can never disagree.
type answer struct {
	ETag         string    `json:"etag,omitempty"`
	LastModified string    `json:"last_modified,omitempty"`
	Fetched      time.Time `json:"fetched"`
	Projects     int       `json:"projects"`
	SHA256       string    `json:"sha256"` // of the body: a damaged file is no answer

	body      []byte
	unchanged bool
}

func keptPath(dir string, q request) string {
	sum := sha256.Sum256([]byte(q.key()))
	return filepath.Join(dir, "ranking-"+hex.EncodeToString(sum[:8]))
}

// loadKept reads the last good answer. Whatever is wrong with it, there is none.
func loadKept(dir string, q request) (answer, bool) {
	if dir == "" {
		return answer{}, false
	}
	path := keptPath(dir, q)
	if st, err := os.Lstat(path); err != nil || !st.Mode().IsRegular() || st.Size() > popularity.MaxBytes+4096 {
		return answer{}, false
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return answer{}, false
	}
	head, body, _ := bytes.Cut(data, []byte("\n"))
	var a answer
	if json.Unmarshal(head, &a) != nil || a.SHA256 != digest(body) {
		return answer{}, false
	}
	a.body = body
	return a, true
}

// save keeps the answer. That it could not is worth a warning and no more.
func (a answer) save(dir string, q request) []popularity.Warning {
	if dir == "" {
		return nil
	}
	if err := a.write(dir, q); err != nil {
		return []popularity.Warning{{Source: q.shown(), Text: "keep its answer for the next run: " + err.Error()}}
	}
	return nil
}

func (a answer) write(dir string, q request) error {
	a.SHA256 = digest(a.body)
	head, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".ranking-")
	if err != nil {
		return err
	}
	defer f.Close()
	// Whoever sweeps the directory takes a file that is locked for one being written.
	_ = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	_, err = f.Write(append(append(head, '\n'), a.body...))
	if err == nil {
		// No fsync: after a crash a short file fails its digest and is asked for again.
		err = os.Rename(f.Name(), keptPath(dir, q))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
