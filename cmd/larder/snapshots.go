package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/urfave/cli/v2"

	"larder/overlay/keep"
	"larder/snapshot"
	"larder/snapshot/image"
)

// stocked is a snapshot of the store as ls, show and du tell of it. The footprint and the manifest
// are nil where the image cannot be read, which was said.
type stocked struct {
	snapshot.Published
	Current   bool `json:"current"`
	Held      bool `json:"held"`     // no build replaces it as current
	Previous  bool `json:"previous"` // what was current before
	Mounted   bool `json:"mounted"`  // kept mounted by larder mount
	Users     int  `json:"users"`    // containers, runs and kept instances that hold it
	Artifacts *int `json:"artifact_count"`
	*image.Footprint
	manifest *snapshot.Manifest
}

// marks are what people want to see of it at once.
func (s stocked) marks() string {
	var marks []string
	for _, m := range []struct {
		is   bool
		word string
	}{{s.Current, "current"}, {s.Held, "held"}, {s.Previous, "previous"}, {s.Mounted, "mounted"}} {
		if m.is {
			marks = append(marks, m.word)
		}
	}
	if s.Bad != nil {
		marks = append(marks, "bad: "+printable(s.Bad.String()))
	}
	return strings.Join(marks, ", ")
}

// allStocked describes every snapshot of a store, newest first. What cannot be read of one is a
// warning: the others are there.
func allStocked(c *cli.Context, s *snapshot.Store) ([]stocked, error) {
	published, err := s.List()
	if err != nil {
		return nil, err
	}
	prints := compareSnapshots(s, idsOf(published), warnUnreadable)
	all := make([]stocked, len(published))
	for i, p := range published {
		all[i] = stocked{Published: p, Footprint: prints.Each[i]}
		if p.Unreadable != nil {
			warnf("when snapshot %s was published nobody knows: %v", p.ID.Short(), p.Unreadable)
		}
		if all[i].Footprint == nil {
			continue
		}
		m, err := manifestOf(s, p.ID)
		switch {
		case err == nil:
			n := len(m.Artifacts)
			all[i].manifest, all[i].Artifacts = m, &n
		case !errors.Is(err, snapshot.ErrFormat):
			warnUnreadable(p.ID, err)
		}
	}
	return all, markUse(c, s, all)
}

// compareSnapshots reads what snapshots need, and tells which cannot be read.
func compareSnapshots(s *snapshot.Store, ids []snapshot.ID, unreadable func(snapshot.ID, error)) *image.Footprints {
	images := make([]*image.Image, len(ids))
	for i, id := range ids {
		img, err := image.OpenSnapshot(s, id)
		if err != nil {
			unreadable(id, err)
			continue
		}
		defer img.Close()
		images[i] = img
	}
	prints := image.Compare(images)
	for i, err := range prints.Errors {
		if err != nil {
			unreadable(ids[i], err)
		}
	}
	return prints
}

func idsOf(all []snapshot.Published) []snapshot.ID {
	ids := make([]snapshot.ID, len(all))
	for i, p := range all {
		ids[i] = p.ID
	}
	return ids
}

func warnUnreadable(id snapshot.ID, err error) {
	warnf("what snapshot %s holds nobody knows: %v; larder verify says more", id.Short(), err)
}

// markUse notes which snapshots are current, held, previous, mounted and in use.
func markUse(c *cli.Context, s *snapshot.Store, all []stocked) error {
	mark := func(ref string, set func(*stocked)) {
		id, err := s.Resolve(ref)
		if err != nil && !errors.Is(err, snapshot.ErrNoSnapshot) && ref == "current" {
			warnf("%v", err)
		}
		if at := slices.IndexFunc(all, func(p stocked) bool { return err == nil && p.ID == id }); at >= 0 {
			set(&all[at])
		}
	}
	mark("current", func(p *stocked) { p.Current = true })
	mark("previous", func(p *stocked) { p.Previous = true })
	if held, err := s.Held(); err != nil {
		warnf("%v", err)
	} else if !held.IsZero() {
		mark("current", func(p *stocked) { p.Held = true })
	}
	leases, err := s.Leases()
	if err != nil {
		return err
	}
	kept, err := keep.Dir(c.String("run-dir")).List(s.ObjectsDir())
	if err != nil {
		warnf("%v", err)
	}
	for i := range all {
		all[i].Mounted = slices.Contains(kept, all[i].ID.String())
		for _, l := range leases {
			if dead, _ := l.Dead(); !dead && l.Unreadable == nil && l.Snapshot == all[i].ID {
				all[i].Users++
			}
		}
	}
	return nil
}

// sizeText is a number of bytes for people.
func sizeText(n int64) string { return humanize.Bytes(uint64(max(0, n))) }
