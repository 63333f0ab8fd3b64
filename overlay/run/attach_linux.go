package run

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mount"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/overlay/venv"
)

// fatal is an error that no best effort passes over.
type fatal struct{ error }

func (e fatal) Unwrap() error { return e.error }

// Fatal marks an error about what the caller asked for by name, such as a lock
// that cannot be read: without it the command would do something else.
func Fatal(err error) error { return fatal{err} }

// nowhere is why a client has no place for a cache at all, so that nothing of it
// is missing: the user has no home (/nonexistent, /dev/null), or may write
// nothing there. Said, and no failure even of a run that is Required.
type nowhere struct{ error }

func (e nowhere) Unwrap() error { return e.error }

// instanceError is fatal for a kept instance: the caller would look for the
// command's files in it.
func (s *session) instanceError(err error) error {
	if s.Instance.Kept() {
		return Fatal(err)
	}
	return err
}

// enter gives the thread its own mount namespace.
func (s *session) enter() error {
	s.cwd, _ = os.Getwd()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		if errors.Is(err, unix.EPERM) {
			return &problem{kind: overlay.ErrUnsupported, msg: "not permitted", hint: "run as root, or with CAP_SYS_ADMIN"}
		}
		return fmt.Errorf("unshare: %w", err)
	}
	s.own = true
	// Slave, not private: what the host unmounts goes away here too, so a long
	// command does not keep its disks busy. Nothing goes the other way.
	return mount.MakeRSlave("/")
}

// openTree opens the tree for the user the command runs as.
func (s *session) openTree() error {
	_, err := s.tree(s.User.Owner, overlay.AnyBacking)
	return err
}

// coverRunDir puts an empty file system on the run directory: a place for our
// mount points, which hides the host's kept mounts and lets go of them here, so
// that a long command does not hold every snapshot that was kept at its start.
func (s *session) coverRunDir() error {
	dir := string(s.RunDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	err := unix.Unmount(filepath.Join(dir, "snapshots"), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("let go of kept mounts: %w", err)
	}
	// The source is named: with "none" moby's Mount takes this for a remount
	// and does nothing.
	return mount.Mount("tmpfs", dir, "tmpfs", "nosuid,nodev,mode=0755,size=4m")
}

// tree opens the snapshot's tree for an owner, once.
func (s *session) tree(o overlay.Owner, backing overlay.Backing) (*tree, error) {
	if t, ok := s.trees[o]; ok && backing == overlay.AnyBacking {
		return t, nil
	}
	f, how, err := s.RunDir.Open(s.Snapshot, o, backing)
	if err != nil {
		return nil, err
	}
	if old, ok := s.trees[o]; ok {
		old.file.Close()
	}
	t := &tree{file: f, how: how}
	s.trees[o] = t
	s.report.Tree = how
	return t, nil
}

// attachView puts the tree itself at a place of the command's own.
func (s *session) attachView() error {
	t, err := s.tree(s.User.Owner, overlay.AnyBacking)
	if err != nil {
		return err
	}
	clone, err := overlay.Clone(t.file)
	if err != nil {
		return err
	}
	defer clone.Close()
	dir := filepath.Join(string(s.RunDir), "view")
	p, err := s.makePoint(dir)
	if err != nil {
		return err
	}
	if err := overlay.Attach(clone, p.dir); err != nil {
		p.dir.Close()
		return err
	}
	s.points = append(s.points, p)
	s.set["LARDER_VIEW"] = dir
	return nil
}

// makePoint makes a directory of our own on the covered run directory.
func (s *session) makePoint(dir string) (*point, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask
		return nil, err
	}
	f, err := openDir(unix.AT_FDCWD, dir)
	if err != nil {
		return nil, err
	}
	return &point{dir: f, path: dir, owner: s.User.Owner, mode: 0o755}, nil
}

// checkViews names the views asked for that the snapshot lacks.
func (s *session) checkViews() error {
	t, err := s.tree(s.User.Owner, overlay.AnyBacking)
	if err != nil {
		return err
	}
	for _, v := range s.Views {
		if strings.Contains(v, "/") || !exists(t.file, "views/"+v) {
			return &problem{kind: overlay.ErrRefused, msg: fmt.Sprintf("the snapshot has no view %q", v),
				hint: "larder ls SNAPSHOT:/views shows which it has"}
		}
	}
	return nil
}

// attachCache puts the client's views on its cache directory.
func (s *session) attachCache(c client) error {
	t, err := s.tree(s.User.Owner, overlay.AnyBacking)
	if err != nil {
		return err
	}
	var lowers []string
	for _, v := range c.views {
		if s.Views != nil && !slices.Contains(s.Views, v) {
			continue
		}
		if lower := "views/" + v; exists(t.file, lower) {
			lowers = append(lowers, lower)
		}
	}
	if len(lowers) == 0 {
		return nil
	}
	env := environ(s.Env, s.User, nil)
	path := c.cachePath(env, s.User.Home)
	p, err := (*point)(nil), error(&problem{kind: overlay.ErrRefused, msg: "no cache directory to attach it to: no home directory, or a relative path",
		hint: "set " + c.env + " to an absolute path"})
	if path != "" {
		p, err = openPoint(path, s.User, true)
	}
	// A place or a view that was named is there, or that is a failure.
	named := s.Views != nil || lookup(env, c.env) != "" || lookup(env, "XDG_CACHE_HOME") != ""
	if err != nil && !named && (!isDir(s.User.Home) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS)) {
		err = nowhere{err}
	}
	if err != nil {
		return err
	}
	return s.attachLowers(c.name, p, lowers, p.path)
}

func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}

// attachLowers makes a view of the tree's lowers, with the mount point's own
// files below them, and attaches it there. own says what those are, for a kept
// instance's record. What the mount point has of the projects itself is hidden.
// The mount point's descriptor is its from here on.
func (s *session) attachLowers(name string, p *point, lowers []string, own string, projects ...string) (err error) {
	defer func() {
		if err != nil {
			p.dir.Close()
		}
	}()
	lowest, err := overlay.Clone(p.dir)
	if err != nil {
		return err
	}
	defer lowest.Close()
	record := make([]string, 0, len(lowers)+1)
	for _, l := range lowers {
		record = append(record, s.Snapshot.ID+"/"+l)
	}
	fill, err := s.mask(name, lowest, len(lowers), projects)
	if err != nil {
		return err
	}
	record = append(record, own)
	dir, _, err := s.Instance.AddMasked(name, record, p.owner, p.mode, fill)
	if fill != nil && errors.Is(err, venv.ErrMask) && !s.Required {
		s.Warn(err.Error())
		fill = nil
		dir, _, err = s.Instance.Add(name, record, p.owner, p.mode)
	}
	if err != nil {
		return s.instanceError(err)
	}
	v := overlay.View{
		Lowers: lowers, Mask: fill != nil, Lowest: lowest, Instance: dir, Volatile: !s.Instance.Kept(), Flags: p.flags,
		Source: fmt.Sprintf("larder:%.12s:%s", s.Snapshot.ID, name),
	}
	m, err := s.view(v, p.owner)
	if errors.Is(err, overlay.ErrDepth) && name != "env" {
		// Better the snapshot's files than the few the user had.
		v.Mask, v.Lowest = false, nil
		if m, err = s.view(v, p.owner); err == nil {
			s.Warn(p.path + " lies on stacked file systems: what it had is not visible below the view")
		}
	}
	if errors.Is(err, overlay.ErrBusy) {
		return s.instanceError(fmt.Errorf("something that an earlier command left running still uses %s: %w", dir, err))
	}
	if err != nil {
		return err
	}
	defer m.Close()
	if err := overlay.Attach(m, p.dir); err != nil {
		return err
	}
	s.points = append(s.points, p)
	n := len(lowers)
	if v.Mask {
		n++
	}
	if v.Lowest != nil {
		n++
	}
	s.report.Mounts = append(s.report.Mounts, Mount{Point: p.path, Lowers: n, dir: dir})
	return nil
}

// mask returns what writes the mask of a mount, nil when it needs none. A kept
// instance goes on with the one it has, or without.
func (s *session) mask(name string, own *os.File, lowers int, projects []string) (func(string) error, error) {
	if len(projects) == 0 {
		return nil, nil
	}
	if had, there := s.Instance.Recorded(name); slices.Contains(had, instance.Mask) {
		return venv.Mask{}.Write, nil // it is there: not called
	} else if there {
		return nil, nil
	}
	m, err := venv.FindMask(own, projects, lowers, &s.reads)
	if err != nil && !s.Required {
		s.Warn(err.Error())
		return nil, nil
	}
	if err != nil || m.Empty() {
		return nil, err
	}
	return m.Write, nil
}

// view makes the view. Where the kernel finds the stack too deep, a
// file-backed image may be why (a level of its own on some kernels).
func (s *session) view(v overlay.View, owner overlay.Owner) (*os.File, error) {
	t, err := s.tree(owner, overlay.AnyBacking)
	if err != nil {
		return nil, err
	}
	v.Tree = t.file
	m, err := overlay.NewView(v)
	if !errors.Is(err, overlay.ErrDepth) || t.how != keep.FromFile {
		return m, err
	}
	if t, err = s.tree(owner, overlay.BackedByLoop); err != nil {
		return nil, err
	}
	v.Tree = t.file
	return overlay.NewView(v)
}

func exists(dir *os.File, path string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(dir.Fd()), path, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// problem is an error for people: one line, a hint, and the sentinel it is.
type problem struct {
	kind      error
	msg, hint string
}

func (p *problem) Error() string { return p.msg }
func (p *problem) Hint() string  { return p.hint }
func (p *problem) Unwrap() error { return p.kind }
