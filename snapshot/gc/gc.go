package gc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// Options say what to keep.
type Options struct {
	Keep      int           // the newest N snapshots stay, at least 1; current always does, previous unless N is 1
	OlderThan time.Duration // only snapshots published longer ago than this go; 0: any age
	DryRun    bool          // say what would go, and leave it
	// Leftovers takes what dead containers left and empties the trash, and leaves snapshots and
	// objects alone: it costs no reading of images, and a build under way only puts off the first.
	Leftovers bool
	// Unmount lets go of a snapshot's kept mounts, which are no use but readiness for
	// one. It is called for what is about to be removed; nil when none are kept.
	Unmount func(snapshot.ID) error
	// Mounted says whether something still needs an upper of an instance directory, though its
	// container is dead: a process it left behind. nil where nothing mounts any.
	Mounted func(dir string) (bool, error)
	// Users names who has the snapshot mounted or its image open, as far as anybody can tell; for people, and asked only of a snapshot that the kernel says is in use. nil: nobody tells.
	Users func(id snapshot.ID, image *os.File) []string
	// Parked is called when the instances of dead containers are in the trash and
	// nothing is removed yet: the last chance to read what they left. nil for none.
	Parked func()
}

// Report is what was done, or with DryRun what would be.
type Report struct {
	DryRun    bool        `json:"dry_run"`
	Removed   []Snapshot  `json:"removed"`
	Kept      []Snapshot  `json:"kept"`
	Reaped    []Container `json:"reaped"`
	Instances int         `json:"instances"` // directories of no container
	Private   int         `json:"private"`   // private images, of snapshots that stay
	Objects   int         `json:"objects"`
	Bytes     int64       `json:"bytes"` // of objects and images
	Warnings  []string    `json:"warnings"`
}

// Snapshot is one line about a snapshot.
type Snapshot struct {
	ID       snapshot.ID `json:"id"`
	Sequence int64       `json:"sequence"`
	Time     time.Time   `json:"time"`
	Reason   string      `json:"reason"`
}

// Container is a dead container whose lease and instance were taken.
type Container struct {
	ID     string `json:"container"`
	Reason string `json:"reason"`
}

// ErrOptions is returned for options that would empty the store.
var ErrOptions = errors.New("keep at least 1 snapshot")

// run is one collection.
type run struct {
	store  *snapshot.Store
	opts   Options
	report *Report
	now    time.Time
}

// Run collects. With an error that wraps snapshot.ErrDamaged the report is of what was done
// nevertheless.
func Run(ctx context.Context, s *snapshot.Store, opts Options) (*Report, error) {
	if opts.Keep < 1 || opts.OlderThan < 0 {
		return nil, ErrOptions
	}
	lock, err := s.Lock()
	locked := err == nil
	if locked {
		defer lock.Unlock()
	} else if !opts.Leftovers || !errors.Is(err, snapshot.ErrBusy) {
		return nil, err
	}
	r := &run{store: s, opts: opts, now: time.Now(), report: &Report{DryRun: opts.DryRun,
		Removed: []Snapshot{}, Kept: []Snapshot{}, Reaped: []Container{}, Warnings: []string{}}}
	if locked {
		err = r.collect(ctx)
	} else {
		r.warn("%v: what dead containers left stays for now, the trash is emptied", err)
		err = nil
	}
	failpoint.Here("gc: collected")
	if !opts.DryRun {
		if opts.Parked != nil {
			opts.Parked()
		}
		failpoint.Here("gc: misses read")
		if terr := s.EmptyTrash(ctx); terr != nil && ctx.Err() == nil {
			r.warn("%v", terr)
		}
		if err == nil {
			err = ctx.Err()
		}
	}
	return r.report, err
}

// collect does it again when there was no room for it: on a full btrfs a rename finds none, and
// an unlink does.
func (r *run) collect(ctx context.Context) error {
	err := r.collectOnce(ctx)
	if !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
		return err
	}
	if rerr := r.makeRoom(ctx); rerr != nil {
		return errors.Join(err, rerr)
	}
	return r.collectOnce(ctx)
}

// makeRoom removes what needs no rename: the trash, and objects of no snapshot.
func (r *run) makeRoom(ctx context.Context) error {
	if err := r.store.EmptyTrash(ctx); err != nil {
		r.warn("%v", err)
	}
	all, err := r.store.List()
	if err != nil {
		return err
	}
	ids := make([]snapshot.ID, len(all))
	for i, p := range all {
		ids[i] = p.ID
	}
	return r.sweep(ctx, ids)
}

func (r *run) collectOnce(ctx context.Context) error {
	if err := r.reap(); err != nil {
		return err
	}
	failpoint.Here("gc: reaped")
	if r.opts.Leftovers {
		return nil
	}
	survivors, err := r.snapshots(ctx)
	if err != nil {
		return err
	}
	return r.sweep(ctx, survivors)
}

func (r *run) warn(format string, args ...any) {
	r.report.Warnings = append(r.report.Warnings, fmt.Sprintf(format, args...))
}

// snapshots removes what may go and returns the rest.
func (r *run) snapshots(ctx context.Context) (survivors []snapshot.ID, err error) {
	all, err := r.store.List()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", snapshot.ErrDamaged, err)
	}
	current, err := r.store.Current()
	if err != nil && !errors.Is(err, snapshot.ErrNoSnapshot) {
		return nil, err // which one containers would get is unknown, so none may go
	}
	previous, err := r.previous()
	if err != nil {
		return nil, err
	}
	failpoint.Here("gc: snapshots listed")
	r.report.Kept = []Snapshot{}
	good := 0 // before p
	for _, p := range all {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if p.Unreadable != nil {
			r.warn("snapshot %s: when it was published nobody knows: %v", p.ID.Short(), p.Unreadable)
		}
		line := Snapshot{ID: p.ID, Sequence: p.Sequence, Time: p.Time}
		line.Reason = r.keep(p, good, current, previous)
		if p.Bad == nil {
			good++
		}
		if line.Reason == "" {
			line.Reason, err = r.remove(p.ID)
			if err != nil {
				return nil, err
			}
		}
		if line.Reason == "" {
			line.Reason = "not current, not kept, not in use"
			r.report.Removed = append(r.report.Removed, line)
			continue
		}
		if err := r.private(ctx, p.ID); err != nil {
			return nil, err
		}
		r.report.Kept = append(r.report.Kept, line)
		survivors = append(survivors, p.ID)
	}
	return survivors, nil
}

// previous is what larder use previous would get, zero when that need not stay.
func (r *run) previous() (snapshot.ID, error) {
	if r.opts.Keep <= 1 {
		return snapshot.ID{}, nil
	}
	id, err := r.store.Previous()
	if errors.Is(err, snapshot.ErrNoSnapshot) {
		return snapshot.ID{}, nil
	}
	return id, err
}

// keep is why a snapshot stays by rule, or "". Its place is among the good ones: a bad one is nothing
// to go back to.
func (r *run) keep(p snapshot.Published, place int, current, previous snapshot.ID) string {
	switch {
	case p.ID == current:
		return "current"
	case p.Unreadable != nil:
		return fmt.Sprintf("when it was published nobody knows: %v", p.Unreadable)
	case p.Bad == nil && place < r.opts.Keep:
		return fmt.Sprintf("among the newest %d", r.opts.Keep)
	case r.opts.OlderThan > 0 && p.Time.After(r.now):
		return "published in the future by this clock"
	case r.opts.OlderThan > 0 && r.now.Sub(p.Time) < r.opts.OlderThan:
		return fmt.Sprintf("not older than %s", r.opts.OlderThan)
	case p.ID == previous:
		return "previous: what was current before"
	}
	return ""
}

// remove trashes a snapshot when nobody uses it, and returns why it had to stay.
func (r *run) remove(id snapshot.ID) (kept string, err error) {
	if why, err := r.leased(id); why != "" || err != nil {
		return why, err
	}
	failpoint.Here("gc: leases read")
	if r.opts.Unmount != nil && !r.opts.DryRun {
		if err := r.opts.Unmount(id); err != nil {
			r.warn("snapshot %s cannot be unmounted: %v", id.Short(), err)
			return fmt.Sprintf("it is kept mounted, and cannot be unmounted: %v", err), nil
		}
	}
	failpoint.Here("gc: unmounted")
	images, err := r.openImages(id)
	defer closeImages(images)
	if err != nil {
		return fmt.Sprintf("its image cannot be opened (%v), so nothing proves that no mount needs it", err), nil
	}
	if r.opts.DryRun {
		kept, err = r.needed(images, id, func() error { return nil })
	} else {
		kept, err = r.takeAway(images, id)
	}
	if kept == "" && err == nil {
		for _, image := range images {
			r.report.Bytes += image.size
		}
	}
	return kept, err
}

// takeAway takes a snapshot out of sight and looks again: what came to use it before is seen then,
// and what comes after finds nothing to use.
func (r *run) takeAway(images []*leasable, id snapshot.ID) (kept string, err error) {
	if kept, err = r.needed(images, id, func() error {
		failpoint.Here("gc: lease granted")
		defer failpoint.Here("gc: set aside")
		return r.store.SetAside(id)
	}); kept != "" || err != nil {
		return kept, err
	}
	failpoint.Here("gc: unlocked")
	kept, err = r.leased(id)
	if kept == "" && err == nil {
		// Whoever waited for the end of the write lease has the image open by its file, without a name.
		kept, err = r.needed(images, id, func() error { return nil })
	}
	if kept != "" || err != nil {
		return kept, errors.Join(err, r.store.Restore(id))
	}
	failpoint.Here("gc: found unused")
	if err := r.store.Discard(id); err != nil {
		return "", err
	}
	failpoint.Here("gc: in the trash")
	return "", nil
}

// leased is which lease holds a snapshot, or "".
func (r *run) leased(id snapshot.ID) (string, error) {
	leases, err := r.store.Leases()
	if err != nil {
		return "", fmt.Errorf("%w: %w; no more was deleted", snapshot.ErrDamaged, err)
	}
	for _, l := range leases {
		switch {
		case l.Unreadable != nil:
			return fmt.Sprintf("in use, as far as anybody can tell: %v", l.Unreadable), nil
		case l.Snapshot != id:
		case l.PID == 0:
			if _, err := os.Lstat(l.Instance); err != nil {
				return fmt.Sprintf("in use by the kept instance %q, which cannot be seen (%v); if it is gone for ever, remove leases/%s", l.Instance, err, l.File), nil
			}
			return fmt.Sprintf("in use by the kept instance %q", l.Instance), nil
		default:
			if dead, _ := l.Dead(); dead && r.opts.DryRun {
				continue // a real run would have reaped it
			}
			return fmt.Sprintf("in use by container %q (pid %d, since %s)", l.Container, l.PID, l.Time.Format(time.RFC3339)), nil
		}
	}
	return "", nil
}
