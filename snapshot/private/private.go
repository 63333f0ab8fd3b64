// Package private seals an environment that no build merged: at its first run its layers are put together as
// [larder/snapshot/image] does it for a build, in a small image of their own over the same pool.
//
// It reads the snapshot's image for what the layers hold, and writes names only, and the environment's own
// files, whose bytes the image holds itself: nothing enters the pool, and no build, gc or repair is waited
// for. The same environment has the same name and the same bytes.
//
// The limits: an image holds at most [MaxEntries] names (180,000 took 1.2 s, 0.3 GB of memory and 40 MB of disk), and
// those of one snapshot a gigabyte. What is larger is for larder build --lock.
package private

import (
	"fmt"
	"os"
	"strings"

	"larder/snapshot"
	"larder/snapshot/image"
)

// MaxEntries bounds the names of a private image, files, links and directories: a lock may be a container's,
// which places one large layer as often as it likes. The largest real one that was tried has 22,000.
const MaxEntries = 200_000

// Environment is what is sealed.
type Environment struct {
	Target string
	Want   *snapshot.Requirements
	Layers []string // ids of its pins' layers, by pin: topmost first
	Beside string   // id of a layer that is there beside it, for who may need it; "" for none
}

// Path is the environment's directory in its image.
func (e Environment) Path() string { return snapshot.MergedPath(e.Want.EnvironmentID(e.Layers)) }

// Image finds the private image of an environment in a snapshot, or seals it. The caller holds a lease on the
// snapshot.
func (e Environment) Image(s *snapshot.Store, id snapshot.ID) (snapshot.Private, error) {
	name := e.Want.PrivateName(e.Target, e.Layers, e.Beside)
	if p, err := s.FindPrivate(id, name); err == nil {
		return p, nil
	}
	return s.SealPrivate(id, name, snapshot.Private{Target: e.Target, Lock: e.Want.Digest}, func(f *os.File) error {
		tree, err := e.tree(s, id)
		if err != nil {
			return err
		}
		return tree.Write(f)
	})
}

// tree puts the environment together.
func (e Environment) tree(s *snapshot.Store, id snapshot.ID) (*image.Tree, error) {
	img, err := image.OpenSnapshot(s, id)
	if err != nil {
		return nil, err
	}
	defer img.Close()
	tree, counts := image.NewTree(), map[string]int{}
	for _, layer := range append([]string{e.Beside}, e.Layers...) {
		if _, there := counts[layer]; there || layer == "" {
			continue
		}
		if counts[layer], err = place(tree, img, snapshot.LayerPath(layer)); err != nil {
			return nil, err
		}
	}
	if n := e.entries(counts); n > MaxEntries {
		return nil, fmt.Errorf("%w: its %d files are more than the %d of a private image", image.ErrRefused, n, MaxEntries)
	}
	if err := e.assemble(tree); err != nil {
		return nil, err
	}
	if e.Beside != "" {
		return tree.Only(e.Path(), snapshot.LayerPath(e.Beside))
	}
	return tree.Only(e.Path())
}

// place puts a layer of an image where it is there, and counts what it holds.
func place(tree *image.Tree, img *image.Image, dir string) (n int, err error) {
	var entries []image.Entry
	err = img.Walk(dir, func(e image.Entry) error {
		entries = append(entries, e)
		if len(entries) > MaxEntries {
			return fmt.Errorf("%w: layer %s holds more than %d files", image.ErrRefused, dir, MaxEntries)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(entries), tree.Place("", entries)
}

// entries is how many names the image gets, or more: directories on the way count each time.
func (e Environment) entries(counts map[string]int) (n int) {
	for _, f := range e.Want.Own {
		n += 1 + strings.Count(f.Path, "/")
	}
	for _, p := range e.Want.Places {
		n += counts[e.Layers[p.Pin]] + strings.Count(p.Path, "/")
	}
	if len(e.Want.Places) == 0 {
		for _, count := range counts {
			n += count
		}
	}
	return n
}

// assemble makes the environment's directory of its layers.
func (e Environment) assemble(tree *image.Tree) error {
	if len(e.Want.Places) == 0 {
		dirs := make([]string, 0, len(e.Layers))
		for _, layer := range e.Layers {
			dirs = append(dirs, snapshot.LayerPath(layer))
		}
		return tree.Merge(e.Path(), dirs)
	}
	parts := make([]image.Part, len(e.Want.Places))
	for i, p := range e.Want.Places {
		parts[i] = image.Part{Path: p.Path, Src: snapshot.LayerPath(e.Layers[p.Pin])}
	}
	own := make([]image.Own, len(e.Want.Own))
	for i, f := range e.Want.Own {
		own[i] = image.Own{Path: f.Path, In: e.Want.PartOf(f.Path), Link: f.Link, Data: f.Data}
	}
	return tree.Assemble(e.Path(), parts, own)
}
