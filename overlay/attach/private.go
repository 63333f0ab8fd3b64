package attach

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"larder/overlay"
	"larder/overlay/keep"
	"larder/snapshot"
	"larder/snapshot/failpoint"
	"larder/snapshot/private"
)

// sealed is a private image that an environment is mounted from.
type sealed struct {
	keep.Snapshot
	name   string   // in the snapshot, for the record of a kept instance
	layers []string // it was made of, for the note
}

// seal finds or makes the private image of an environment that the snapshot has all layers of, and that no build
// merged: where its layers lie in places, and where there are more than the kernel stacks.
func (s *Session) seal(e *environment, found *snapshot.Environment) {
	placed := len(e.want.Places) > 0
	if s.Locks.Store == nil || len(found.Layers) == 0 || placed == (len(found.Lowers) > 0) || !placed && !s.long(found) {
		return
	}
	id, err := snapshot.ParseDigest(s.Snapshot.ID)
	if err != nil {
		found.Unsealed = err
		return
	}
	env := private.Environment{Target: e.target.Tag, Want: e.want, Layers: found.Layers}
	if !placed {
		env.Beside = e.target.Installer
	}
	for range 2 { // gc may take one between the look and the mount: once, since it is in use from then on
		var image snapshot.Private
		if image, err = env.Image(s.Locks.Store, id); err != nil {
			break
		}
		failpoint.Here("attach: environment sealed")
		// It has no id of its own: nothing keeps it mounted.
		e.sealed = &sealed{Snapshot: keep.Snapshot{Image: image.ImagePath(), Objects: s.Snapshot.Objects}, name: "private/" + image.Name}
		if _, err = s.treeOf(e.sealed.Snapshot, e.at.Owner, overlay.AnyBacking); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if err != nil {
		e.sealed, found.Unsealed = nil, err
		if !placed {
			s.Note(fmt.Sprintf("no private image of the lock's %d layers could be sealed: %v", len(found.Lowers), err))
		}
		return
	}
	for _, layer := range found.Layers {
		e.sealed.layers = append(e.sealed.layers, snapshot.LayerPath(layer))
	}
	found.Lowers = []string{env.Path()}
}

// Stackable is how many layers are stacked, one lower each, beside a mask, an installer and the environment's own files.
// Up to here a stack is as fast as an image or faster (scripts/bench/FIGURES.md), and what is kept mounted of the
// snapshot serves all its containers: each that mounts an image has names and inodes of its own, three times the memory.
const Stackable = overlay.MaxLowers - 3

// long says that there are too many layers for a stack. A kept instance goes on as it began.
func (s *Session) long(found *snapshot.Environment) bool {
	for _, part := range []string{"env", "private"} {
		if had, there := s.Instance.Recorded(part); there {
			return slices.ContainsFunc(had, func(l string) bool { return strings.HasPrefix(l, s.Snapshot.ID+"/private/") })
		}
	}
	return len(found.Lowers) > Stackable
}
