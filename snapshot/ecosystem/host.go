package ecosystem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrRefused is what errors.Is finds in every *Refusal.
var ErrRefused = errors.New("file refused")

// Refusal says why a file cannot be read as it stands.
type Refusal struct{ path, reason, advice string }

func (r *Refusal) Error() string        { return r.path + ": " + r.reason }
func (r *Refusal) Hint() string         { return r.advice }
func (r *Refusal) Is(target error) bool { return target == ErrRefused }

// TooLarge refuses a file that is longer than what reads it takes.
func TooLarge(path string, limit int64) error {
	return &Refusal{path, fmt.Sprintf("larger than %d bytes", limit), "use a smaller one"}
}

// Host reads the host's own files.
type Host struct{}

// ReadFile takes a pipe, too, such as a shell's <(command), and does not wait for somebody to write to one.
func (Host) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	switch st, serr := f.Stat(); {
	case err != nil:
	case int64(len(data)) > limit:
		err = TooLarge(path, limit)
	case serr == nil && len(data) == 0 && st.Mode()&fs.ModeNamedPipe != 0:
		err = &Refusal{path, "a pipe that nobody writes to", "name a file"}
	}
	return data, err
}

func (Host) IsDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

func (Host) Find(path string) (at string, mode fs.FileMode, err error) {
	if at, err = filepath.EvalSymlinks(path); err != nil {
		return "", 0, err
	}
	st, err := os.Lstat(at)
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return "", 0, err
	}
	return at, st.Mode().Perm(), nil
}

func (Host) Take(int64) error { return nil }
