package oci

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"

	"larder/overlay"
)

// checkTable judges a mount point by the container's mount table. id is the
// mount the directory is on, path is the directory's and inRoot the same for people.
func checkTable(table []*mountinfo.Info, id int, path, inRoot string, cover bool) error {
	at := slices.IndexFunc(table, func(m *mountinfo.Info) bool { return m.ID == id })
	if at < 0 {
		return fmt.Errorf("%w %.80q: its mount is not in the container's mount table", ErrPoint, inRoot)
	}
	own := table[at]
	for _, option := range strings.Fields(own.Optional) {
		// What is mounted below a shared mount appears in its peers, the
		// host's among them, and outlives the container there.
		if strings.HasPrefix(option, "shared:") {
			return fmt.Errorf("%w %.80q is on a mount shared with others (propagation shared)", ErrPoint, inRoot)
		}
	}
	if own.Mountpoint == path {
		if strings.HasPrefix(own.Source, overlay.SourcePrefix) {
			return fmt.Errorf("%w %.80q is already provisioned", ErrPoint, inRoot)
		}
		if !cover {
			return fmt.Errorf("%w %.80q has a volume on it already", ErrPoint, inRoot)
		}
	}
	for _, m := range table {
		if strings.HasPrefix(m.Mountpoint, path+"/") {
			return fmt.Errorf("%w %.80q has another mount below it", ErrPoint, inRoot)
		}
	}
	return nil
}

// containersOwn says whether what is mounted holds only what containers write: a file system in memory
// that was made for this one, a volume that an engine made (Docker, Podman: volumes/NAME/_data), or a
// pod's (Kubernetes: volumes/kubernetes.io~empty-dir/NAME).
func containersOwn(m *mountinfo.Info) bool {
	if m.FSType == "tmpfs" && m.Root == "/" {
		return true
	}
	parts := strings.Split(m.Root, "/")
	n := len(parts)
	return n > 3 && parts[n-3] == "volumes" && (parts[n-1] == "_data" || parts[n-2] == "kubernetes.io~empty-dir")
}
