package builder

import (
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
// is wanted of it. The image was checked whole; of the pool's files it asks that they are
// there with their sizes and modes, since to read them would be to read the whole pool
// every week. Whatever is not, and all that the previous snapshot did not have just so,
// is made again from an artifact whose bytes are read and hashed first.
func (s *stocking) reuse(it *Item) bool {
	row, known := s.previous.artifact(it.world.Name, it.Artifact)
	for _, p := range it.Picks {
		if p.layered {
			p.Layer = s.oldLayer(p)
		}
	}
	if it.Known = known; !known {
		return false
	}
	it.Object, it.Size, it.Detail = snapshot.Object{Digest: row.SHA256}, row.Size, row.Detail
	// All of them, whatever the first says: what is whole is not made twice.
	parts, entries := it.world.Reuse(it, row), s.oldEntries(it)
	return parts && entries && len(it.Unmade()) == 0
}

// oldLayer returns the layer of a pick as the previous snapshot has it, nil when it has
// none or the pool lacks a part of it.
func (s *stocking) oldLayer(p *Pick) []image.Entry {
	entries, err := s.previous.layer(p.LayerID)
	if err != nil {
		s.log.warn(fmt.Sprintf("layer %s of %s cannot be read in the current snapshot, so it is made again: %v", p.LayerID, p.Filename, err))
		return nil
	}
	for _, e := range entries {
		if e.Mode.IsRegular() && e.Size > 0 && !s.whole(e.Object, e.Size) {
			s.log.warn(fmt.Sprintf("object %s is missing or damaged, so the layer of %s is made again", e.Object, p.Filename))
			return nil
		}
	}
	return entries
}

// oldEntries takes over what the previous snapshot's views have of an item, and says whether that
// is all.
func (s *stocking) oldEntries(it *Item) bool {
	all := true
	for _, v := range s.views(it) {
		for _, e := range v.Entries(it) {
			path := viewPath(v, e)
			o, size, ok := s.previous.object(path)
			switch {
			case e.Make != nil && ok && !s.whole(o, size):
				s.log.warn(fmt.Sprintf("object %s is missing or damaged, so the entry of %s in view %s is made again", o, it.Filename, v.Name))
				all = false
			case e.Make != nil && ok:
				it.made[path] = made{o, size}
			case e.Make != nil:
				all = false
			case e.Object == it.Object:
				ok = ok && o == it.Object
				it.served = it.served || ok
				all = all && ok && s.whole(o, size)
			}
		}
	}
	return all
}

// makeEntries makes what the views of an item lack.
func (s *stocking) makeEntries(it *Item, artifact func() io.Reader) error {
	for _, v := range s.views(it) {
		for _, e := range v.Entries(it) {
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

func wantedViews(cfg Config, e Ecosystem) []View {
	return slices.DeleteFunc(slices.Clone(e.Writers), func(v View) bool { return !slices.Contains(cfg.Views, v.Name) })
}

// viewPath is where an entry lies in the image.
func viewPath(v View, e ViewEntry) string { return "views/" + v.Name + "/" + e.Path }

// whole says whether an object is there with its size and mode.
func (s *stocking) whole(o snapshot.Object, size int64) bool {
	n, ok := s.stage.Has(o)
	return ok && n == size
}
