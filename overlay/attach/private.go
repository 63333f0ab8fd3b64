package attach

import (
	"errors"
	"io/fs"

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

// seal finds or makes the private image of a placed environment that the snapshot has all layers of, and that no
// build merged.
func (s *Session) seal(e *environment, found *snapshot.Environment) {
	store := s.Locks.Store
	if store == nil || len(found.Lowers) > 0 || len(found.Layers) == 0 {
		return
	}
	id, err := snapshot.ParseDigest(s.Snapshot.ID)
	if err != nil {
		found.Unsealed = err
		return
	}
	env := private.Environment{Target: e.target.Tag, Want: e.want, Layers: found.Layers}
	for range 2 { // gc may take one between the look and the mount: once, since it is in use from then on
		var image snapshot.Private
		if image, err = env.Image(store, id); err != nil {
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
		return
	}
	for _, layer := range found.Layers {
		e.sealed.layers = append(e.sealed.layers, snapshot.LayerPath(layer))
	}
	found.Lowers = []string{env.Path()}
}
