package run

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mount"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/attach"
	"larder/snapshot/failpoint"
)

// enter gives the thread its own mount namespace.
func (s *session) enter() error {
	s.cwd, _ = os.Getwd()
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); err != nil {
		if s.Unprivileged {
			return namespaceProblem("/proc/sys", err)
		}
		if errors.Is(err, unix.EPERM) {
			return &overlay.Problem{Kind: overlay.ErrUnsupported, Text: "not permitted", Advice: "run as root, or with CAP_SYS_ADMIN"}
		}
		return fmt.Errorf("unshare: %w", err)
	}
	s.own = true
	// Slave, not private: what the host unmounts goes away here too, so a long
	// command does not keep its disks busy. Nothing goes the other way.
	failpoint.Here("run: namespace made")
	return mount.MakeRSlave("/")
}

// open opens the tree for the user the command runs as.
func (s *session) open() (err error) {
	s.report.Tree, err = s.attached.Open()
	return err
}

// coverRunDir puts an empty file system on the run directory: for our
// mount points, which hides the host's kept mounts and lets go of them here, so
// that a long command does not hold every snapshot that was kept at its start.
func (s *session) coverRunDir() error {
	dir := string(s.RunDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"snapshots", "users"} {
		// In a user namespace they are locked (EINVAL), and go when the host lets go of them.
		err := unix.Unmount(filepath.Join(dir, name), unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("let go of kept mounts: %w", err)
		}
	}
	failpoint.Here("run: kept mounts let go")
	// The source is named: with "none" moby's Mount takes this for a remount
	// and does nothing.
	return mount.Mount("tmpfs", dir, "tmpfs", "nosuid,nodev,mode=0755,size=4m")
}

// leftOut decides about a part that could not be attached: a warning, or the end of the run.
func (s *session) leftOut(what string, err error) error {
	if errors.Is(err, errAttached) {
		return nil
	}
	none := errors.As(err, new(nowhere))
	err = fmt.Errorf("%s: %w", what, err)
	if attach.IsFatal(err) || s.Required && !none {
		return err
	}
	s.Warn(err.Error())
	return nil
}

// attachAll attaches what the configuration asks for.
func (s *session) attachAll() error {
	s.attached = &attach.Session{
		Namespace: namespace{s}, Snapshot: s.Snapshot, RunDir: s.RunDir, Instance: s.Instance,
		Views: s.Views, Locks: s.Locks, Built: s.Built, Required: s.Required, Note: s.Warn, User: s.Unprivileged,
		LeftOut: func(part string, err error) error {
			switch part {
			case "view":
				part = "attach the snapshot"
			case "environment":
				part = "attach the environment"
			default:
				part = "attach the view of " + part
			}
			return s.leftOut(part, err)
		},
	}
	// Without these there is nothing to attach, or nowhere.
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"make a private mount namespace", s.enter},
		// Opened before the run directory is covered: kept trees are in it.
		{"open the snapshot", s.open},
		{"cover the run directory", s.coverRunDir},
	} {
		if err := step.do(); err != nil {
			return s.leftOut(step.what, err)
		}
	}
	if err := s.checkViews(); err != nil {
		if err := s.leftOut("attach the views", err); err != nil {
			return err
		}
	}
	if err := s.attached.Attach(); err != nil {
		return err
	}
	if s.attached.ViewPath != "" {
		s.set["LARDER_VIEW"] = s.attached.ViewPath
	}
	if e := s.attached.Env; e != nil {
		set, unset := e.Variables(e.Dir, func(key string) string { return lookup(s.Env, key) })
		maps.Copy(s.set, set)
		s.unset = append(s.unset, unset...)
	}
	for _, m := range s.attached.Mounts {
		s.report.Mounts = append(s.report.Mounts, Mount{Point: m.Path, Lowers: m.Lowers, dir: m.Dir, within: m.Within})
	}
	return nil
}

// checkViews names the views asked for that the snapshot lacks.
func (s *session) checkViews() error {
	for _, v := range s.Views {
		has, err := s.attached.HasView(v)
		if err != nil {
			return err
		}
		if !has || strings.Contains(v, "/") {
			return &overlay.Problem{Kind: overlay.ErrRefused, Text: fmt.Sprintf("the snapshot has no view %q", v),
				Advice: "larder ls SNAPSHOT:/views shows which it has"}
		}
	}
	return nil
}
