package attach

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"larder/overlay"
)

// attachParts mounts an environment that goes to several directories: one view, of which each directory shows a part, so
// that it has one upper. All of them are attached, or none; but those whose directory is not there, as where only
// some of a project was copied into a container.
func (s *Session) attachParts(e *environment) error {
	points, none, err := s.partPoints(e)
	attached := 0
	defer func() {
		for _, p := range points[attached:] {
			p.at.Abandon()
		}
	}()
	if err != nil {
		return err
	}
	views, mounted, err := s.partViews(e, points)
	defer func() {
		for _, v := range views[min(attached, len(views)):] {
			v.Close()
		}
	}()
	if err != nil {
		return err
	}
	for i, p := range points {
		attached = i + 1
		mounted.Path, mounted.Within = p.at.Path, p.dir
		if err := s.put(views[i], p.at, mounted); err != nil {
			if i > 0 {
				err = Fatal(fmt.Errorf("of the environment's %d directories, only %d could be mounted: %w", len(points), i, err))
			}
			return err
		}
		mounted.Layers = nil // the note has them once
	}
	s.without(none)
	return nil
}

// partPoint is where a directory of an environment goes.
type partPoint struct {
	at  *overlay.Point
	dir string
}

// partPoints finds the mount points that there are, the environment's own first, and says where there is none. With
// an error, those that were found are returned, too.
func (s *Session) partPoints(e *environment) (points []partPoint, none []string, err error) {
	for i, m := range e.want.Mounts {
		at := e.at
		if i > 0 {
			if !fs.ValidPath(m) || m == "." {
				return points, nil, fmt.Errorf("mount point %.80q is no path below the environment's", m)
			}
			if at, err = s.Beside(path.Dir(e.dir), m); err != nil {
				return points, nil, err
			}
		}
		if at == nil {
			none = append(none, path.Dir(m))
			continue
		}
		points = append(points, partPoint{at, strconv.Itoa(i)})
	}
	return points, none, nil
}

// partViews makes the view, and of it one for each point. What the first point asks of a mount, all have.
func (s *Session) partViews(e *environment, points []partPoint) (views []*os.File, mounted Mount, err error) {
	whole, mounted, err := s.view(mount{part: "environment", name: "env", at: e.at, lowers: e.lowers, sealed: e.sealed, own: e.at.Path})
	if err != nil {
		return nil, mounted, err
	}
	defer whole.Close()
	dirs := make([]string, len(points))
	for i, p := range points {
		dirs[i] = p.dir
	}
	if views, err = overlay.Chosen().Parts(whole, dirs); err != nil {
		return nil, mounted, err
	}
	for i, v := range views {
		if err := overlay.Restrict(v, points[i].at.Flags); err != nil {
			return views, mounted, err
		}
	}
	return views, mounted, nil
}

// without names the directories that a project has no more, or not here.
func (s *Session) without(dirs []string) {
	const most = 5
	if len(dirs) == 0 {
		return
	}
	more := ""
	if len(dirs) > most {
		more = fmt.Sprintf(" and %d more", len(dirs)-most)
	}
	s.Note(fmt.Sprintf("without the %s of %s%s: not there", s.Locks.Ecosystem.Environments.Noun(), strings.Join(dirs[:min(most, len(dirs))], ", "), more))
}
