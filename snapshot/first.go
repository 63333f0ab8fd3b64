package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// First is what a name of an index meant when this store first took it: where an index publishes no digest
// that holds for ever, the store keeps one itself. A line of firsts/, which is only ever added to.
type First struct {
	Name   string          `json:"name"` // the index's own, such as a path
	SHA256 Digest          `json:"sha256"`
	Size   int64           `json:"size"`
	URL    string          `json:"url"`              // where it was fetched, without credentials and query
	Time   time.Time       `json:"time"`             // for people
	Detail json.RawMessage `json:"detail,omitempty"` // what only the ecosystem can read
}

// maxFirsts bounds what is read of one file: some million lines of 300 bytes.
const maxFirsts = 1 << 30

// Firsts are all that are kept of an ecosystem, by name; of several lines of one name the first counts. A file
// that cannot be read is an error (ErrDamaged): to go on without it would take what was refused.
func (s *Store) Firsts(ecosystem string) (map[string]First, error) {
	all := map[string]First{}
	text, err := readFirsts(s.FirstsPath(ecosystem))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, s.unreadableFirsts(ecosystem, "", err)
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1] // a kill tears the last line, which nobody was told of
	n := 0
	for line := range bytes.Lines(whole) {
		n++
		var f First
		if err := json.Unmarshal(line, &f); err != nil || f.Name == "" || f.SHA256.IsZero() {
			return nil, s.unreadableFirsts(ecosystem, fmt.Sprintf(", line %d", n), err)
		}
		if _, had := all[f.Name]; !had {
			all[f.Name] = f
		}
	}
	return all, nil
}

// readFirsts may be called while somebody adds to the file.
func readFirsts(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if fi, err := f.Stat(); err != nil {
		return nil, err
	} else if !fi.Mode().IsRegular() || fi.Size() > maxFirsts {
		return nil, fmt.Errorf("not a plain file of at most %d bytes", maxFirsts)
	}
	return io.ReadAll(io.LimitReader(f, maxFirsts))
}

func (s *Store) unreadableFirsts(ecosystem, where string, err error) error {
	path := s.FirstsPath(ecosystem)
	if err == nil {
		err = errors.New("it names nothing")
	}
	return &problem{kind: ErrDamaged, msg: fmt.Sprintf("what %s's names first meant cannot be read: firsts/%s%s", ecosystem, filepath.Base(path), where), err: errno(err),
		hint: "restore " + path + ", or take the line out: the next build holds anew what it then finds"}
}

// AddFirsts keeps what names mean from now on, durably. The caller holds the writer lock.
func (s *Store) AddFirsts(ecosystem string, all []First) (err error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, f := range all {
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("keep what a name means: %w", err)
		}
	}
	if err := s.appendFirsts(s.FirstsPath(ecosystem), b.Bytes()); err != nil {
		return spaceError("keep what names first meant", s.dir, int64(b.Len()), err)
	}
	return nil
}

func (s *Store) appendFirsts(path string, lines []byte) (err error) {
	if err := os.Mkdir(s.FirstsDir(), 0o700); err == nil {
		err = syncDir(s.Dir())
		if err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	end, err := wholeLines(f)
	if err == nil {
		err = f.Truncate(end) // what a kill tore
	}
	if err == nil {
		_, err = f.WriteAt(lines, end)
	}
	if err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return syncDir(s.FirstsDir())
}

// wholeLines is where the last whole line of a file ends.
func wholeLines(f *os.File) (int64, error) {
	end, err := f.Seek(0, io.SeekEnd)
	buf := make([]byte, 64<<10)
	for err == nil && end > 0 {
		from := max(0, end-int64(len(buf)))
		if _, err = f.ReadAt(buf[:end-from], from); err != nil {
			break
		}
		if at := bytes.LastIndexByte(buf[:end-from], '\n'); at >= 0 {
			return from + int64(at) + 1, nil
		}
		end = from
	}
	return 0, err
}

// FirstsOf are the ecosystems of which a store keeps what names first meant.
func (s *Store) FirstsOf() (ecosystems []string, err error) {
	entries, err := os.ReadDir(s.FirstsDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), firstsSuffix); ok {
			ecosystems = append(ecosystems, name)
		}
	}
	return ecosystems, err
}
