package pypi

import (
	"bytes"
	"io"
	"path"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi/lock"
)

// maxLock is more than package lock reads, which says so better.
const maxLock = 16<<20 + 1

// locks implements ecosystem.Locks with package lock.
type locks struct{}

// IsLock knows the names that tools give to locks. Files of other names may be requirements, too.
func (locks) IsLock(name string) bool {
	base := path.Base(name)
	return base == "uv.lock" || base == "poetry.lock" || strings.HasSuffix(base, ".toml") && strings.HasPrefix(base, "pylock") ||
		strings.Contains(base, "requirements") && strings.HasSuffix(base, ".txt")
}

func (locks) Read(files ecosystem.Files, paths []string, target snapshot.Target) (*snapshot.Requirements, error) {
	detail, err := TargetOf(target)
	if err != nil {
		return nil, err
	}
	all, err := lock.ReadAll(paths, detail.Markers, func(name string) (io.ReadCloser, error) {
		data, err := files.ReadFile(name, maxLock)
		return io.NopCloser(bytes.NewReader(data)), err
	})
	if err != nil {
		return nil, err
	}
	return all.Requirements(), nil
}
