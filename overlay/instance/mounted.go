package instance

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"larder/overlay"
)

// Mounted says whether something still needs an upper of the instance at dir, though whoever
// locked it may be dead: a mount that a process it left behind sees, or has a file open on. With
// an error nobody knows, and the instance must stay. A missing one needs nothing.
func Mounted(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read instance: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || !isName(e.Name()) {
			continue
		}
		// The kernel makes it with the first mount, so without it there was none.
		if _, err := os.Lstat(filepath.Join(dir, e.Name(), "w", "work")); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		used, err := overlay.Chosen().UpperInUse(filepath.Join(dir, e.Name(), "u"))
		if used || err != nil && !errors.Is(err, fs.ErrNotExist) {
			return used, err
		}
	}
	return false, nil
}
