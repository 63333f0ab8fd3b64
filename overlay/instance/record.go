package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

const (
	recordName   = "instance.json"
	recordFormat = 1
	maxRecord    = 1 << 20
)

type record struct {
	Format int                 `json:"format"`
	Mounts map[string][]string `json:"mounts"`
	// Finished are the mounts whose first use is done: what had to be made in them is there.
	Finished []string `json:"finished,omitempty"`
}

// Mask stands for a mask among the lowers of a record.
const Mask = "mask"

// Recorded returns the lowers a kept instance's mount was made with, with [Mask]
// for its mask; false when it has no such mount yet.
func (i *Instance) Recorded(name string) (lowers []string, there bool) {
	if i.record == nil {
		return nil, false
	}
	lowers, there = i.record.Mounts[name]
	return lowers, there
}

// Finished says whether Finish was called for a kept instance's mount.
func (i *Instance) Finished(name string) bool {
	return i.record != nil && slices.Contains(i.record.Finished, name)
}

// Finish keeps it, in a kept instance, that what has to be made in a mount once is there. It is written down
// after that.
func (i *Instance) Finish(name string) error {
	if i.record == nil || i.Finished(name) {
		return nil
	}
	if err := unix.Syncfs(int(i.lock.Fd())); err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	i.record.Finished = append(i.record.Finished, name)
	return i.write()
}

// Snapshot is the snapshot that a kept instance was made with, "" when it has nothing of one yet.
func (i *Instance) Snapshot() string {
	if i.record == nil {
		return ""
	}
	for _, lowers := range i.record.Mounts {
		for _, l := range lowers {
			if id, _, ok := strings.Cut(l, "/"); ok && id != "" {
				return id
			}
		}
	}
	return ""
}

// read reads the record of a kept instance.
func (i *Instance) read() error {
	i.record = &record{Format: recordFormat, Mounts: map[string][]string{}}
	f, err := i.open(recordName, unix.O_RDONLY|unix.O_NONBLOCK)
	if errors.Is(err, fs.ErrNotExist) {
		return i.checkUnused()
	}
	if errors.Is(err, unix.ELOOP) {
		return i.foreign(recordName + " is not a record of ours")
	}
	if err != nil {
		return fmt.Errorf("read instance: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read instance: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxRecord {
		return i.foreign(recordName + " is not a record of ours")
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return fmt.Errorf("read instance: %w", err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil || r.Format < 1 || r.Mounts == nil {
		return i.foreign(recordName + " is not a record of ours")
	}
	if r.Format != recordFormat {
		return i.foreign(fmt.Sprintf("%s has format %d, this program knows %d", recordName, r.Format, recordFormat))
	}
	i.record = &r
	return nil
}

// checkUnused accepts a directory without a record when it is empty, or holds
// only what a crash between the first mkdir and the record leaves.
func (i *Instance) checkUnused() error {
	entries, err := i.lock.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("read instance: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() && e.Name() != recordName+".tmp" || e.IsDir() && !isName(e.Name()) {
			return i.foreign("it holds " + fmt.Sprintf("%q", e.Name()) + " and no " + recordName)
		}
	}
	return nil
}

func (i *Instance) foreign(why string) error {
	return &overlay.Problem{Kind: overlay.ErrRefused, Text: fmt.Sprintf("%s is not an instance: %s", i.dir, why),
		Advice: "name a new or an empty directory, or one that an earlier --instance made"}
}

// difference names the first difference of two lists of lowers.
func difference(had, want []string) string {
	for n := range max(len(had), len(want)) {
		switch {
		case n >= len(had):
			return want[n] + " is new"
		case n >= len(want):
			return had[n] + " is gone"
		case had[n] != want[n]:
			return had[n] + " then, " + want[n] + " now"
		}
	}
	return "none"
}

// open opens a file of the instance's own.
func (i *Instance) open(name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(i.lock.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	path := filepath.Join(i.dir, name)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// WriteNote writes a file of somebody else's beside the mounts, in place of an older one. Nothing is
// synced, and nobody here reads it.
func (i *Instance) WriteNote(name string, b []byte) error {
	f, err := i.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NONBLOCK)
	if err != nil {
		return fmt.Errorf("write note: %w", err)
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// write replaces the record, durably: the upper must never be older than it.
func (i *Instance) write() error {
	b, err := json.MarshalIndent(i.record, "", "  ")
	if err != nil {
		return err
	}
	const tmp = recordName + ".tmp"
	f, err := i.open(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC)
	if err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = unix.Renameat(int(i.lock.Fd()), tmp, int(i.lock.Fd()), recordName)
	}
	if err == nil {
		err = i.lock.Sync()
	}
	if err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	return nil
}
