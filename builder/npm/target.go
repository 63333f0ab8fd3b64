package npm

import (
	"fmt"
	"path/filepath"
	"slices"

	"larder/builder"
	"larder/snapshot"
	"larder/snapshot/npm"
)

// FindTargets resolves tags. Without any it is the host's own platform, whether there is a node or not: nothing
// that npm unpacks depends on one.
func FindTargets(tags []string) ([]builder.Target, error) {
	var found []builder.Target
	for _, text := range tags {
		tag, err := npm.ParseTag(text)
		if err != nil {
			return nil, builder.WithHint(err, "node -p 'process.platform+\"-\"+process.arch' tells the first two words")
		}
		if !slices.ContainsFunc(found, func(t builder.Target) bool { return t.Tag == tag.String() }) {
			found = append(found, builder.Target{Target: tag.Row()})
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	tag, ok := npm.HostTag(hostLibc())
	if !ok {
		return nil, builder.WithHint(fmt.Errorf("this machine is none that node runs on: %w", npm.ErrTag), "name a target with --target, such as linux-x64-glibc")
	}
	return []builder.Target{{Target: tag.Row()}}, nil
}

// hostLibc is the C library of this host's programs: musl where its loader is and glibc's is not.
func hostLibc() string {
	musl, _ := filepath.Glob("/lib/ld-musl-*")
	glibc, _ := filepath.Glob("/lib*/ld-linux*")
	if len(musl) > 0 && len(glibc) == 0 {
		return "musl"
	}
	return "glibc"
}

// layerFormat is the way that layers are made: a new way gets a new name, so that no older layer is
// taken for one of its own.
const layerFormat = "npm layer 1"

// layerID names the layer of a tarball for a target. What is in it is the same on all, but a layer is of one
// target everywhere; its objects are shared.
func layerID(digest, target string) string {
	return snapshot.Sum([]byte(layerFormat + "\n" + target + "\n" + digest)).Short()
}
