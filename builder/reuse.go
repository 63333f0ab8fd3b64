package builder

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"larder/snapshot"
	"larder/snapshot/image"
)

// made is an entry of a view that was written to the pool.
type made struct {
	object snapshot.Object
	size   int64
}

// reuse takes what the previous snapshot has of an item and says whether that is all that
// is wanted of it. The image and its manifest were checked whole; the pool's files are looked
// at, and read where that is not enough (see snapshot.Stage.Reuse). Whatever is damaged, and all
// that the previous snapshot did not have just so, is made again from an artifact whose bytes
// are read and hashed first. An error is the host's.
func (s *stocking) reuse(it *Item) (bool, error) {
	row, known := s.previous.artifact(it.world.Name, it.Artifact)
	var err error
	for _, p := range it.Picks {
		if !p.layered {
			continue
		}
		if p.Layer, err = s.oldLayer(p); err != nil {
			return false, err
		}
	}
	if it.Known = known; !known {
		return false, nil
	}
	it.Object, it.Size, it.Detail = snapshot.Object{Digest: row.SHA256}, row.Size, row.Detail
	it.signed = row.Signed
	if it.URL == "" {
		return len(it.Unmade()) == 0, nil // a target brought it: its layers are all there is
	}
	// All of them, whatever the first says: what is whole is not made twice.
	parts := it.world.Reuse(it, row)
	entries, err := s.oldEntries(it)
	return parts && entries && len(it.Unmade()) == 0, err
}

// oldLayer returns the layer of a pick as the previous snapshot has it, nil when it has
// none or a part of it is damaged.
func (s *stocking) oldLayer(p *Pick) ([]image.Entry, error) {
	entries, err := s.previous.layer(p.LayerID)
	if err != nil {
		s.log.warn(fmt.Sprintf("layer %s of %s cannot be read in the current snapshot, so it is made again: %v", p.LayerID, p.Filename, err))
		return nil, nil
	}
	whole := true
	for _, e := range entries { // all: what is damaged is not kept because another file is, too
		if !e.Mode.IsRegular() || e.Size == 0 {
			continue
		}
		ok, err := s.whole(e.Object, e.Size, "the layer of "+p.Filename)
		if err != nil {
			return nil, err
		}
		whole = whole && ok
	}
	if !whole {
		return nil, nil
	}
	return entries, nil
}

// oldEntries takes over what the previous snapshot's views have of an item, and says whether that
// is all.
func (s *stocking) oldEntries(it *Item) (all bool, err error) {
	all = true
	for _, v := range s.views(it) {
		for _, e := range v.entries(it) {
			path := viewPath(v, e)
			o, size, ok := s.previous.object(path)
			switch {
			case e.Make != nil && !ok:
			case e.Make != nil:
				if ok, err = s.whole(o, size, "the entry of "+it.Filename+" in view "+v.Name); ok {
					it.made[path] = made{o, size}
				}
			case e.Object == it.Object:
				ok = ok && o == it.Object
				it.served = it.served || ok
				if ok {
					ok, err = s.whole(o, size, "")
				}
			default: // it is the same whoever writes it
				ok = true
			}
			if err != nil {
				return false, err
			}
			all = all && ok
		}
	}
	return all, nil
}

// makeEntries makes what the views of an item lack.
func (s *stocking) makeEntries(it *Item, artifact func() io.Reader) error {
	for _, v := range s.views(it) {
		for _, e := range v.entries(it) {
			path := viewPath(v, e)
			if _, had := it.made[path]; had || e.Make == nil {
				continue
			}
			r, err := e.Make(artifact())
			if err != nil {
				s.log.warn(err.Error())
				continue
			}
			o, size, err := s.stage.Put(r, false)
			if err != nil {
				return err
			}
			it.made[path] = made{o, size}
		}
	}
	return nil
}

// views are the wanted views of an item.
func (s *stocking) views(it *Item) []View { return wantedViews(s.cfg, it.world.Ecosystem) }

// wantedViews are those that are named, and beside them what a build that makes artifacts of sources has
// for the same clients.
func wantedViews(cfg Config, e Ecosystem) []View {
	wanted := cfg.Views
	if cfg.Builds != nil {
		for _, c := range e.Clients {
			wanted = append(slices.Clip(wanted), c.Mounted(cfg.Views, snapshot.AllBuilt)...)
		}
	}
	return slices.DeleteFunc(slices.Clone(e.Writers), func(v View) bool { return !slices.Contains(wanted, v.Name) })
}

// viewPath is where an entry lies in the image.
func viewPath(v View, e ViewEntry) string { return "views/" + v.Name + "/" + e.Path }

// whole says whether an object is there and undamaged. What has to be made again is named, if it has
// a name: that an artifact is fetched again is said when it is.
func (s *stocking) whole(o snapshot.Object, size int64, what string) (bool, error) {
	err := s.stage.Reuse(o, size)
	if err != nil && !errors.Is(err, snapshot.ErrDamaged) {
		return false, err
	}
	if err != nil && what != "" {
		s.log.warn(fmt.Sprintf("%s is made again: %v", what, err))
	}
	return err == nil, nil
}
