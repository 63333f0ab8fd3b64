package snapshot

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// EngineRecord is the directory in which a container engine keeps what it knows of one container. The
// engine can start the container again as long as it is there, so what the container wrote stays as
// long.
type EngineRecord struct {
	Engine string `json:"engine"` // "podman"
	Dir    string `json:"dir"`    // absolute, its last part the container's id
	// Parent is where Dir was: see Lease.Parent.
	Parent dirID `json:"parent"`
}

// NewEngineRecord looks at an engine's directory, which must be there.
func NewEngineRecord(engine, dir string) (*EngineRecord, error) {
	parent, err := statDir(filepath.Dir(dir))
	if err == nil {
		_, err = statDir(dir)
	}
	if err == nil && !parent.same(parent) {
		err = errors.New("its file system does not tell one directory from another")
	}
	if err != nil {
		return nil, fmt.Errorf("look at the record of %s: %w", engine, err)
	}
	return &EngineRecord{engine, dir, parent}, nil
}

// removed says whether the engine has removed the container, for certain.
func (r *EngineRecord) removed() bool { return absent(r.Dir, r.Parent) }

// absent says whether a directory is gone from the directory that held it. Where that is another one now,
// nothing is proven: its disk may not be mounted.
func absent(path string, was dirID) bool {
	parent, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(parent)
	if id, err := dirIDOf(parent); err != nil || !id.same(was) {
		return false
	}
	var st unix.Stat_t
	return errors.Is(unix.Fstatat(parent, filepath.Base(path), &st, unix.AT_SYMLINK_NOFOLLOW), unix.ENOENT)
}
