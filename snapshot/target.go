package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxTarget bounds a target's row; a real one takes 1 kB.
const maxTarget = 1 << 20

// Targets are the tags a mounted snapshot was built for, sorted. tree may be an O_PATH descriptor
// of its root.
func Targets(tree int) ([]string, error) {
	fd, err := unix.Openat(tree, path.Dir(TargetPath("")), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the snapshot's targets: %w", err)
	}
	dir := os.NewFile(uintptr(fd), "targets")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the snapshot's targets: %w", err)
	}
	var tags []string
	for _, name := range names {
		if tag, ok := strings.CutSuffix(name, ".json"); ok {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags, nil
}

// ReadTarget reads one target's row of a mounted snapshot. fs.ErrNotExist: it has no such target;
// ErrDamaged: the row is another's, or none.
func ReadTarget(tree int, tag string) (Target, error) {
	if !isName(tag) {
		return Target{}, fmt.Errorf("read target %q: no tag: %w", clip(tag), fs.ErrNotExist)
	}
	fd, err := unix.Openat(tree, TargetPath(tag), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return Target{}, fmt.Errorf("read target %s: %w", clip(tag), err)
	}
	f := os.NewFile(uintptr(fd), tag)
	defer f.Close()
	var t Target
	b, err := io.ReadAll(io.LimitReader(f, maxTarget))
	if err == nil {
		err = json.Unmarshal(b, &t)
	}
	if err == nil && t.Format != ManifestFormat {
		return Target{}, wrongFormat("target "+tag+" of the snapshot", t.Format)
	}
	if err != nil || t.Tag != tag {
		return Target{}, fmt.Errorf("read target %s: the snapshot's row is damaged: %w", tag, errors.Join(ErrDamaged, err))
	}
	return t, nil
}
