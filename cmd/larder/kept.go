package main

import (
	"encoding/json"
	"errors"

	"github.com/urfave/cli/v2"

	"larder/overlay/keep"
	"larder/snapshot"
)

// toKeep is a snapshot as package keep mounts it.
func toKeep(s *snapshot.Store, id snapshot.ID) keep.Snapshot {
	note, _ := json.Marshal(keptNote{interpreters(s, id)}) // of strings: it cannot fail
	return keep.Snapshot{ID: id.String(), Image: s.ImagePath(id), Objects: s.ObjectsDir(), Note: note}
}

// keptNote is what a user without root needs of the store.
type keptNote struct {
	Interpreters map[string]string `json:"interpreters"`
}

// followCurrent has what containers get by now kept mounted, where this host keeps snapshots of the
// store mounted, and lets go of those that nobody uses. Every command that may change what is
// current ends with it, and gc, which every hour finds what a killed one left. It goes wrong with a
// warning: the command did what it was asked, and attaches mount for themselves.
func followCurrent(c *cli.Context, s *snapshot.Store) {
	err := follow(c, s)
	if err != nil && !errors.Is(err, snapshot.ErrNoSnapshot) {
		warnf("what is current is not kept mounted: %v; larder mount tries again", err)
	}
}

func follow(c *cli.Context, s *snapshot.Store) error {
	used, err := inUse(s)
	if err != nil {
		return err
	}
	current := func() (keep.Snapshot, error) {
		id, _, err := s.Usable("current")
		return toKeep(s, id), err
	}
	return keep.Dir(c.String("run-dir")).Follow(c.Context, s.ObjectsDir(), current, used)
}

// inUse says which snapshots containers and commands have, as their leases say. One that cannot be
// read may be of any.
func inUse(s *snapshot.Store) (func(id string) bool, error) {
	leases, err := s.Leases()
	if err != nil {
		return nil, err
	}
	used, unknown := map[string]bool{}, false
	for _, l := range leases {
		if l.Unreadable != nil {
			unknown = true
		} else if dead, _ := l.Dead(); !dead {
			used[l.Snapshot.String()] = true
		}
	}
	return func(id string) bool { return unknown || used[id] }, nil
}
