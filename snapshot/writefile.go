package snapshot

import "os"

// WriteFile puts b in place by one rename, in a store or anywhere else: a reader sees the old
// file or the new one, whole. After a power cut it may be either, or empty.
func WriteFile(path string, b []byte, mode os.FileMode) error {
	return replaceFileUnsynced(path, b, mode)
}
