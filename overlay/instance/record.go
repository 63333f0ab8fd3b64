package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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

// read reads the record of a kept instance.
func (i *Instance) read() error {
	i.record = &record{Format: recordFormat, Mounts: map[string][]string{}}
	path := filepath.Join(i.dir, recordName)
	st, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return i.checkUnused()
	}
	if err != nil {
		return fmt.Errorf("read instance: %w", err)
	}
	if !st.Mode().IsRegular() || st.Size() > maxRecord {
		return i.foreign(recordName + " is not a record of ours")
	}
	b, err := os.ReadFile(path)
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
	entries, err := os.ReadDir(i.dir)
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
	return &problem{kind: overlay.ErrRefused, msg: fmt.Sprintf("%s is not an instance: %s", i.dir, why),
		hint: "name a new or an empty directory, or one that an earlier --instance made"}
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

// write replaces the record, durably: the upper must never be older than it.
func (i *Instance) write() error {
	b, err := json.MarshalIndent(i.record, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(i.dir, recordName+".tmp")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|unix.O_NOFOLLOW, 0o600)
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
		err = os.Rename(tmp, filepath.Join(i.dir, recordName))
	}
	if err == nil {
		err = i.lock.Sync()
	}
	if err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	return nil
}
