package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/overlay/run"
	"larder/snapshot"
	"larder/snapshot/trash"
)

// Without root, larder run starts itself again in a user namespace of the user's own, where it may
// mount overlays, but no image: the snapshot is one that root keeps mounted for the user. The first
// process judges the configuration and the directories, for in the namespace what is root's looks
// like nobody's; the second one attaches, and the command is its child. There is no lease, which
// would be in root's store: the kernel knows that the tree is in use, and gc asks it.

// inside is what the first process hands over to the second, in a variable.
type inside struct {
	Settings settingsInside
	Snapshot keep.Snapshot
	Instance string
	Kept     bool
}

// settingsInside are those of the configuration that count there.
type settingsInside struct {
	Views           []string
	Missing, Target string
	Built           snapshot.Built
	Required        bool
}

const (
	insideVar = "LARDER_RUN_INSIDE"
	// The descriptors that come with it: the instance, and a pipe for one byte, which says that the
	// status is the command's, or of an error that was said. Without it nothing could be attached.
	insideInstance, insideDone = 3, 4
)

// takeSettings reads the configuration, or what the first process has read.
func (r *running) takeSettings() error {
	text, ok := os.LookupEnv(insideVar)
	if !ok {
		cfg, err := loadConfig(r.c)
		r.settings = cfg.Run
		return err
	}
	r.inside = &inside{}
	if err := json.Unmarshal([]byte(text), r.inside); err != nil {
		return usagef("%s is larder's own: %v", insideVar, err).hint("unset %s", insideVar)
	}
	if err := os.Unsetenv(insideVar); err != nil {
		return err
	}
	unix.CloseOnExec(insideInstance)
	unix.CloseOnExec(insideDone)
	s := r.inside.Settings
	r.settings = config.Run{Views: s.Views, Missing: s.Missing, Target: s.Target, Built: s.Built, Required: s.Required}
	return nil
}

// again runs the command in a user namespace. It is not done when nothing could be attached and that
// is no error: then the command has not run.
func (r *running) again() (status int, done bool, err error) {
	status, done, err = r.tryAgain()
	if err != nil {
		err = r.without(err)
	}
	return status, done, err
}

func (r *running) tryAgain() (status int, done bool, err error) {
	made, s, err := r.holdShared()
	if made != nil {
		defer made.Close()
	}
	if err != nil {
		return 0, false, err
	}
	in := inside{Snapshot: s, Instance: made.Dir(), Kept: made.Kept(),
		Settings: settingsInside{r.settings.Views, r.settings.Missing, r.settings.Target, r.settings.Built, r.settings.Required}}
	text, err := json.Marshal(in)
	if err != nil {
		return 0, false, err
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, false, err
	}
	defer reader.Close()
	status, err = run.Again(r.c.Context, os.Args, append(os.Environ(), insideVar+"="+string(text)), made.File(), writer)
	writer.Close()
	n, _ := reader.Read(make([]byte, 1))
	if err != nil && !in.Kept {
		return 0, false, errors.Join(err, throwAway(in.Instance))
	}
	return status, n > 0 || status != 0, err
}

// holdShared finds the snapshot that is kept mounted for the user, and makes an instance in the
// directory for temporary files, or opens the one to keep.
func (r *running) holdShared() (made *instance.Instance, s keep.Snapshot, err error) {
	ref, kept := r.settings.Snapshot, r.c.String("instance")
	if kept != "" {
		if made, err = r.ownInstance(kept, instance.Keep); err != nil {
			return nil, s, err
		}
		if had := made.Snapshot(); had != "" && !r.c.IsSet("snapshot") {
			ref = had // nothing else fits what is in it
		}
	}
	if s, err = r.sharedSnapshot(ref); err != nil {
		return made, s, err
	}
	if r.settings.UpperLimit > 0 {
		warnf("without its upper_limit: only root can set one")
	}
	if made == nil {
		made, err = r.ownInstance(filepath.Join(os.TempDir(), instancePrefix+rand.Text()), instance.Create)
	}
	return made, s, err
}

func (r *running) ownInstance(dir string, open func(string) (*instance.Instance, error)) (*instance.Instance, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	parent, err := snapshot.TrustedPath(filepath.Dir(dir))
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(parent, filepath.Base(dir))
	if err := instance.CheckFree(dir, int64(r.settings.MinFree)); err != nil {
		return nil, err
	}
	return open(dir)
}

// sharedSnapshot asks for what root keeps mounted of the store.
func (r *running) sharedSnapshot(ref string) (keep.Snapshot, error) {
	objects, err := poolPath(r.c)
	if err != nil {
		return keep.Snapshot{}, err
	}
	s, err := r.RunDir.Shared(os.Geteuid(), objects, ref)
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return s, err
	}
	if st, err := os.Stat(objects); err == nil && int(st.Sys().(*syscall.Stat_t).Uid) == os.Geteuid() {
		return s, &overlay.Problem{Kind: overlay.ErrUnsupported, Text: fmt.Sprintf("%s is your own store, and only root can mount a snapshot, of a store of root's", filepath.Dir(objects)),
			Advice: "run on a store of root's (--store), which root keeps mounted for you with larder mount --user"}
	}
	name := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(name); err == nil {
		name = u.Username
	}
	what, args := "no snapshot of "+filepath.Dir(objects), ""
	if ref != "current" {
		what, args = fmt.Sprintf("snapshot %.12s of %s is not kept mounted", ref, filepath.Dir(objects)), ref+" "
	} else {
		what += " is kept mounted"
	}
	return s, &overlay.Problem{Kind: overlay.ErrUnsupported, Text: what + " for user " + name + ", and only root can mount one",
		Advice: fmt.Sprintf("as root: larder --store %s mount %s--user %s", filepath.Dir(objects), args, name)}
}

// openInside goes on with what the first process found.
func (r *running) openInside() (err error) {
	r.Unprivileged, r.Snapshot = true, r.inside.Snapshot
	if r.id, err = snapshot.ParseDigest(r.Snapshot.ID); err != nil {
		return err
	}
	r.Ready = func(attached bool) error {
		if !attached {
			return errNothingAttached
		}
		return nil
	}
	if r.Instance, err = instance.Inherit(os.NewFile(insideInstance, r.inside.Instance), r.inside.Instance, r.inside.Kept); err != nil {
		return err
	}
	sweepInstances(filepath.Dir(r.inside.Instance))
	var note keptNote
	if err := json.Unmarshal(r.Snapshot.Note, &note); err != nil {
		return fmt.Errorf("read the note of snapshot %.12s: %w", r.Snapshot.ID, err)
	}
	r.Locks, err = r.environment(note.Interpreters)
	return err
}

// errNothingAttached leaves the command to the first process, which runs it as it would have without
// us: outside of the namespace.
var errNothingAttached = errors.New("nothing could be attached")

// report tells the first process whose the status is.
func (in *inside) report(err error) error {
	if errors.Is(err, errNothingAttached) {
		return nil
	}
	_, _ = unix.Write(insideDone, []byte{1})
	return err
}

func (r *running) finishInside() {
	if r.inside.Kept || len(r.left) > 0 {
		return
	}
	if err := throwAway(r.inside.Instance); err != nil {
		warnf("clean up: %v", err)
	}
}

const (
	instancePrefix = "larder-run-"
	// instanceMade is the time in which an instance is surely made and locked.
	instanceMade = time.Minute
)

// throwAway removes an instance of the user's own.
func throwAway(dir string) error {
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer parent.Close()
	return trash.Remove(parent, filepath.Base(dir))
}

// sweepInstances removes what commands of this user left that were killed, unless something still
// runs on it.
func sweepInstances(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), instancePrefix) || !st.IsDir() || time.Since(st.ModTime()) < instanceMade ||
			int(st.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
			continue
		}
		dir := filepath.Join(parent, e.Name())
		locked, err := snapshot.InstanceLocked(dir)
		if err != nil || locked {
			continue
		}
		if used, err := instance.Mounted(dir); err == nil && !used {
			_ = throwAway(dir)
		}
	}
}
