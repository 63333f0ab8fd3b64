package attach

import (
	"fmt"
	"path"
	"strings"

	"larder/snapshot/ecosystem"
)

// CacheDir is where a client keeps what its views are of: what getenv says, in the client's own order,
// else below home. home is asked for only when it is needed. What comes back is the word of whoever
// set the variables, not yet judged.
func CacheDir(c ecosystem.Client, getenv func(string) string, home func() (string, error)) (string, error) {
	dir, err := cacheOf(c, getenv, home)
	if err != nil || c.Below == "" {
		return dir, err
	}
	return dir + "/" + c.Below, nil
}

// cacheOf is the whole of a client's cache.
func cacheOf(c ecosystem.Client, getenv func(string) string, home func() (string, error)) (string, error) {
	dir, base := "", ""
	if c.Variable != "" {
		dir = getenv(c.Variable)
	}
	if dir == "" && strings.HasPrefix(c.Dir, "~/") {
		dir = c.Dir
	}
	if dir == "" {
		// A relative XDG_CACHE_HOME is to be ignored, says its specification.
		if base = getenv("XDG_CACHE_HOME"); path.IsAbs(base) {
			return path.Join(base, c.Dir), nil
		}
	}
	if dir != "" && !strings.HasPrefix(dir, "~/") {
		return dir, nil
	}
	base, err := home()
	if err != nil {
		return "", err
	}
	if dir == "" {
		return path.Join(base, ".cache", c.Dir), nil
	}
	return base + strings.TrimPrefix(dir, "~"), nil
}

// attachCache puts a client's views on its cache directory.
func (s *Session) attachCache(c ecosystem.Client) error {
	views := s.Views
	if views == nil {
		views = ecosystem.AttachedViews()
	}
	wanted := c.Mounted(views, s.Built)
	var lowers []string
	for _, v := range wanted {
		has, err := s.HasView(v)
		if err != nil {
			return err
		}
		if has {
			lowers = append(lowers, "views/"+v)
		}
	}
	if len(lowers) == 0 {
		if len(wanted) > 0 && s.Views != nil {
			return fmt.Errorf("snapshot %.12s has no such view", s.Snapshot.ID)
		}
		return nil
	}
	dir, err := s.MountPoints[c.Name], error(nil)
	if dir == "" {
		dir, err = CacheDir(c, s.Getenv, s.Home)
	}
	if err != nil {
		return err
	}
	at, err := s.Cache(c, dir)
	if err != nil {
		return err
	}
	if s.first == nil {
		s.first = &at.Owner
	}
	return s.mount(mount{part: c.Name, name: c.Name, at: at, lowers: lowers, own: at.Path})
}
