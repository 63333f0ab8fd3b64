package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/containerd/continuity/fs"
	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/attach"
	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/snapshot"
	"larder/snapshot/failpoint"
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
	// means those of the usual ones that are.
	Views []string
	Locks *attach.Locks  // nil: no environment
	Built snapshot.Built // what counts of what was built from sources

	// Unprivileged is for a user namespace of the user's own ([Again]).
	Unprivileged bool
	// Ready is told, before the command starts, whether anything is attached. With an error the
	// command does not start. Nil: nobody wants to know.
	Ready func(attached bool) error

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
	dir        string // of its instance
	within     string // the directory of it that is shown
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
		s := &session{Config: c, set: map[string]string{}}
		defer func() { r = s.report }() // as close leaves it
		defer s.close()
		return s.run(ctx)
	})
	return r, err
}

// session is one run on its thread.
type session struct {
	Config
	report   Report
	attached *attach.Session   // nil: nothing is
	set      map[string]string // variables for the command
	unset    []string
	mounted  []string       // mount points, in order
	places   []place        // of them, in the user's files
	inputs   int            // of installers, so far
	own      bool           // the thread has a mount namespace of its own
	cwd      string         // "" when it has no name, or nothing is attached
	reads    overlay.Budget // of the user's files
}

func (s *session) run(ctx context.Context) error {
	begin := time.Now()
	if s.Snapshot.ID != "" {
		if err := s.attachAll(); err != nil {
			return err
		}
		s.report.Attach = time.Since(begin)
		failpoint.Here("run: attached")
	}
	if s.Unprivileged {
		if err := dropMounting(); err != nil {
			return err
		}
	}
	if s.Ready != nil {
		if err := s.Ready(len(s.mounted) > 0); err != nil {
			return err
		}
	}
	if s.cwd != "" {
		// Again by its path: the directory may be below a mount point.
		_ = unix.Chdir(s.cwd)
	}
	env := environ(s.Env, s.User, s.set, s.unset...)
	if err := s.finishEnvironment(ctx, env); err != nil {
		return err
	}
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	status, signaled, err := start(ctx, s.Command, env, s.User, files)
	if err != nil {
		return err
	}
	s.report.Status, s.report.Signaled = status, signaled
	failpoint.Here("run: command ended")
	if s.Measure {
		s.measure()
	}
	return nil
}

// measure counts what the command left in the uppers.
func (s *session) measure() {
	for i := range s.report.Mounts {
		m := &s.report.Mounts[i]
		var own unix.Stat_t
		upper := filepath.Join(m.dir, "u", m.within) // a part may have nothing there
		u, err := fs.DiskUsage(context.Background(), upper)
		if err == nil && unix.Lstat(upper, &own) == nil {
			m.UpperBytes, m.UpperFiles = u.Size-own.Blocks*512, u.Inodes-1
		}
	}
}

// close unmounts in reverse, so that the instance is free when Run returns and
// not some time after the last thread is gone, and closes what is open. What the
// command left running keeps its mounts: they go with the namespace.
func (s *session) close() {
	s.report.Left = s.leftRunning()
	for _, path := range slices.Backward(s.mounted) {
		if len(s.report.Left) == 0 {
			_ = unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
	}
	s.leave()
	if s.attached != nil {
		s.attached.Close()
	}
}
