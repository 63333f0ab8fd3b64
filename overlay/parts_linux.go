package overlay

import (
	"os"

	"golang.org/x/sys/unix"
)

func (descriptors) Parts(m *os.File, dirs []string) ([]*os.File, error) { return clones(m, dirs) }

func (byName) Parts(m *os.File, dirs []string) (parts []*os.File, err error) {
	err = inScratch(func(s *scratch) error {
		if err := s.lend(m); err != nil {
			return err
		}
		parts, err = clones(m, dirs)
		return err
	})
	return parts, err
}

// clones are detached mounts of directories of a mount.
func clones(m *os.File, dirs []string) ([]*os.File, error) {
	all := make([]*os.File, 0, len(dirs))
	for _, dir := range dirs {
		clone, err := openTree(fdOf(m), dir, unix.AT_SYMLINK_NOFOLLOW, m.Name())
		if err != nil {
			for _, c := range all {
				c.Close()
			}
			return nil, err
		}
		all = append(all, clone)
	}
	return all, nil
}
