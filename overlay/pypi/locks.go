package pypi

import (
	"bytes"
	"io"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi"
	"larder/snapshot/pypi/lock"
)

// maxLock is more than package lock reads, which says so better.
const maxLock = 16<<20 + 1

// Read reads locks of virtual environments.
func (environments) Read(files ecosystem.Files, locks []string, target snapshot.Target) (*snapshot.Requirements, error) {
	detail, err := pypi.TargetOf(target)
	if err != nil {
		return nil, err
	}
	all, err := lock.ReadAll(locks, detail.Markers, func(name string) (io.ReadCloser, error) {
		data, err := files.ReadFile(name, maxLock)
		return io.NopCloser(bytes.NewReader(data)), err
	})
	if err != nil {
		return nil, err
	}
	return all.Requirements(), nil
}
