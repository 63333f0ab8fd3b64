package builder

import (
	"errors"
	"fmt"
	"io/fs"

	"larder/builder/pypi/index"
	"larder/builder/pypi/pip"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// reuse takes what the previous snapshot has of a job and says whether that is all that
// is wanted of it. The image was checked whole; of the pool's files it asks that they are
// there with their sizes and modes, since to read them would be to read the whole pool
// every week. Whatever is not, and all that the previous snapshot did not have just so,
// is made again from a wheel whose bytes are read and hashed first.
func (s *stocking) reuse(j *stockJob, body snapshot.Object) (all bool) {
	old, all := s.previous.wheel(j.picks[0].file)
	for _, p := range j.picks {
		out := stocked{pick: p, body: body, size: old.Size}
		if s.layerWanted(p) {
			out.layer = s.oldLayer(p)
			all = all && out.layer != nil
		}
		j.out = append(j.out, out)
	}
	if j.known = !old.SHA256.IsZero(); !j.known {
		return false
	}
	// All of them, whatever the first says: what is whole is not made twice.
	bodies, entry, metadata := s.oldBodies(j, body), s.oldEntry(j), s.oldMetadata(j, old)
	return all && bodies && entry && metadata
}

// oldLayer returns the layer of a pick as the previous snapshot has it, nil when it has
// none or the pool lacks a part of it.
func (s *stocking) oldLayer(p pick) *builtLayer {
	id := s.layerID(p)
	if !s.previous.hasLayer(id) {
		return nil
	}
	files, err := s.previous.layer(id)
	if err != nil {
		s.warn(fmt.Sprintf("layer %s of %s cannot be read in the current snapshot, so it is made again: %v", id, p.file.Filename, err))
		return nil
	}
	for _, f := range files {
		if f.Size > 0 && !s.whole(f.Object, f.Size) {
			s.warn(fmt.Sprintf("object %s is missing or damaged, so the layer of %s is made again", f.Object, p.file.Filename))
			return nil
		}
	}
	return &builtLayer{id: id, files: files}
}

// oldBodies says whether every view that serves the wheel itself did so before.
func (s *stocking) oldBodies(j *stockJob, body snapshot.Object) bool {
	f := j.picks[0].file
	var paths []string
	if s.serves("pip") {
		paths = append(paths, bodyPath(f))
	}
	if s.serves("simple") {
		paths = append(paths, simplePath(f.Filename))
	}
	all := true
	for _, path := range paths {
		o, size, ok := s.previous.object(path)
		ok = ok && o == body
		j.served = j.served || ok
		all = all && ok && s.whole(o, size)
	}
	return all
}

// oldEntry takes over the wheel as pip < 23.3 keeps it.
func (s *stocking) oldEntry(j *stockJob) bool {
	if !s.serves("pip-old") {
		return true
	}
	f := j.picks[0].file
	o, size, ok := s.previous.object("views/pip-old/" + pip.OldPath(f.URL))
	if !ok {
		return false
	}
	if !s.whole(o, size) {
		s.warn(fmt.Sprintf("object %s is missing or damaged, so the entry of %s for old pips is made again", o, f.Filename))
		return false
	}
	for i := range j.out {
		j.out[i].oldEntry, j.out[i].oldSize = &o, size
	}
	return true
}

// oldMetadata finds the wheel's METADATA in the pool, whole, where a view serves it.
func (s *stocking) oldMetadata(j *stockJob, old snapshot.ManifestArtifact) bool {
	detail, err := pypi.WheelOf(old)
	own := detail.MetadataSHA256
	if err != nil || own.IsZero() {
		return false
	}
	var size int64
	if s.metadataServed(j.picks[0].file, own) {
		if size, err = s.stage.Check(snapshot.Object{Digest: own}); err != nil {
			if !errors.Is(err, fs.ErrNotExist) { // it need not be an object: a view of old pips only has it inside an entry
				s.warn(fmt.Sprintf("METADATA of %s is taken from the wheel again: %v", old.Filename, err))
			}
			return false
		}
	}
	j.setMetadata(own, size)
	return true
}

func (j *stockJob) setMetadata(own snapshot.Digest, served int64) {
	for i := range j.out {
		j.out[i].ownMetadata, j.out[i].metadataSize = own, served
	}
}

// metadataFits says whether the wheel's own METADATA, of that digest, can stand for what
// the index serves beside the wheel. The index's bytes are never taken: without a hash
// anybody could have written them, and with one they are the wheel's or not what pip
// would install.
func metadataFits(f index.File, own snapshot.Digest) bool {
	return f.Metadata && (f.MetadataSHA256 == "" || f.MetadataSHA256 == own.String())
}

// metadataServed says whether a view serves it: where a pip would ask for it.
func (b *build) metadataServed(f index.File, own snapshot.Digest) bool {
	return metadataFits(f, own) && (b.serves("pip") || b.serves("pip-old"))
}

// whole says whether an object is there with its size and mode.
func (s *stocking) whole(o snapshot.Object, size int64) bool {
	n, ok := s.stage.Has(o)
	return ok && n == size
}
