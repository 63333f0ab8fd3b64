package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/keep"
)

// Config is one run.
type Config struct {
	Command []string
	Env     []string // what the caller has; Run adds to it
	User    User

	// Snapshot to attach; with an empty ID nothing is, and the rest of the
	// configuration does not matter.
	Snapshot keep.Snapshot
	RunDir   keep.Dir
	Instance *instance.Instance
	// Views that the command's caches get, each of which must be there; nil
	// means those that are.
	Views []string
	// Environment finds what a lock needs in the snapshot's tree; nil: no lock.
	Environment func(tree *os.File) (*Environment, error)

	// Measure counts what the command left in the uppers.
	Measure bool
	// Required makes every part that cannot be attached an error.
	Required bool
	// Warn is told, one line each, what is left out.
	Warn func(string)
}

// Report is what a run attached and left behind.
type Report struct {
	Tree     keep.How      // where the tree came from, "" without one
	Mounts   []Mount       // what was attached
	Attach   time.Duration // until everything was attached
	Status   int           // the command's exit status
	Signaled bool          // it was killed by a signal: Status is 128 + its number
	// Left are the processes that outlived the command, by rising number. The
	// mounts are theirs as long as they live, and the instance is in use.
	Left []int
}

// Mount is one attached view.
type Mount struct {
	Point      string `json:"point"`
	Lowers     int    `json:"lowers"`
	UpperBytes int64  `json:"upper_bytes"` // disk usage of what the command left, the upper's own directory not counted
	UpperFiles int64  `json:"upper_files"` // inodes of it
	dir        string
}

// The command could not be started: not found, or not executable.
var (
	ErrNotFound      = errors.New("command not found")
	ErrNotExecutable = errors.New("command not executable")
)

// Run runs the command and waits for it. An error means that it never ran; the
// command's own failure is Report.Status.
func Run(ctx context.Context, c Config) (Report, error) {
	var r Report
	err := overlay.OnThread(func() error {
		s := session{Config: c, set: map[string]string{}, trees: map[overlay.Owner]*tree{}}
		defer func() { r = s.report }() // as close leaves it
		defer s.close()
		return s.run(ctx)
	})
	return r, err
}

// session is one run on its thread.
type session struct {
	Config
	report Report
	trees  map[overlay.Owner]*tree
	set    map[string]string // variables for the command
	unset  []string
	points []*point // attached, in order
	own    bool     // the thread has a mount namespace of its own
	env    *Environment
	cwd    string         // "" when it has no name, or nothing is attached
	reads  overlay.Budget // of the user's files
}

type tree struct {
	file *os.File
	how  keep.How
}

func (s *session) run(ctx context.Context) error {
	begin := time.Now()
	if s.Snapshot.ID != "" {
		if err := s.attachAll(); err != nil {
			return err
		}
		s.report.Attach = time.Since(begin)
	}
	if s.cwd != "" {
		// Again by its path: the directory may be below a mount point.
		_ = unix.Chdir(s.cwd)
	}
	env := environ(s.Env, s.User, s.set, s.unset...)
	if s.env != nil && len(s.env.Missing) > 0 && s.set["VIRTUAL_ENV"] != "" {
		if err := s.installMissing(ctx, env); err != nil {
			return err
		}
	}
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	status, signaled, err := start(ctx, s.Command, env, s.User, files)
	if err != nil {
		return err
	}
	s.report.Status, s.report.Signaled = status, signaled
	if s.Measure {
		s.measure()
	}
	return nil
}

// part tries one part of the attach.
func (s *session) part(what string, f func() error) error {
	err := f()
	if err == nil || errors.Is(err, errAttached) {
		return nil
	}
	none := errors.As(err, new(nowhere))
	err = fmt.Errorf("%s: %w", what, err)
	if errors.As(err, new(fatal)) || s.Required && !none {
		return err
	}
	s.Warn(err.Error())
	return nil
}

func (s *session) attachAll() error {
	// Without these there is nothing to attach, or nowhere.
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"make a private mount namespace", s.enter},
		// Opened before the run directory is covered: kept trees are in it.
		{"open the snapshot", s.openTree},
		{"cover the run directory", s.coverRunDir},
	} {
		done := false
		err := s.part(step.what, func() error {
			err := step.do()
			done = err == nil
			return err
		})
		if err != nil || !done {
			return err
		}
	}
	if err := s.part("attach the snapshot", s.attachView); err != nil {
		return err
	}
	if err := s.part("attach the views", s.checkViews); err != nil {
		return err
	}
	for _, c := range clients {
		if err := s.part("attach the view of "+c.name, func() error { return s.attachCache(c) }); err != nil {
			return err
		}
	}
	if s.Environment != nil {
		if err := s.part("attach the environment", s.attachEnvironment); err != nil {
			return err
		}
	}
	return nil
}

// measure counts what the command left in the uppers.
func (s *session) measure() {
	for i := range s.report.Mounts {
		m := &s.report.Mounts[i]
		var own unix.Stat_t
		u, err := fs.DiskUsage(context.Background(), m.dir+"/u")
		if err == nil && unix.Lstat(m.dir+"/u", &own) == nil {
			m.UpperBytes, m.UpperFiles = u.Size-own.Blocks*512, u.Inodes-1
		}
	}
}

// close unmounts in reverse, so that the instance is free when Run returns and
// not some time after the last thread is gone, and closes what is open. What the
// command left running keeps its mounts: they go with the namespace.
func (s *session) close() {
	s.report.Left = s.leftRunning()
	for i := len(s.points) - 1; i >= 0; i-- {
		p := s.points[i]
		p.dir.Close()
		if len(s.report.Left) == 0 {
			_ = unix.Unmount(p.path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
	}
	for _, t := range s.trees {
		t.file.Close()
	}
}
