package trash

import "os"

// pruneDepth bounds the descriptors of a prune.
const pruneDepth = 100

// prune removes what it can below a directory without a rename: on a full btrfs there is no room
// for one, while an unlink has a reserve of its own. What it leaves, drain finds.
func prune(dir *os.File, depth int) {
	names, err := list(dir, -1)
	if err != nil {
		return
	}
	for _, n := range names {
		if unlink(int(dir.Fd()), n) == nil || depth == 0 {
			continue
		}
		if sub, err := openDir(dir, n); err == nil {
			prune(sub, depth-1)
			sub.Close()
			_ = unlink(int(dir.Fd()), n)
		}
	}
}
