package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"larder/snapshot"
	"larder/snapshot/check"
	"larder/snapshot/failpoint"
)

// Why an image stays damaged.
var (
	errNotMade  = errors.New("no manifest in the pool gives this image")
	errNotAgain = errors.New("it may be one with a view that a client's own program wrote, which are not the same twice")
)

// image makes a snapshot's image again: from each manifest in the pool that could be its own, until
// the same bytes come out.
func (r *repairer) image(ctx context.Context, cfg Config, id snapshot.ID) error {
	manifests, err := r.manifests(ctx)
	if err != nil {
		return err
	}
	why := errNotMade
	for _, m := range manifests {
		same, err := r.imageOf(ctx, cfg, id, m)
		switch {
		case same:
			r.mended(check.KindImage, r.images[id].Path, "made again from its manifest")
			delete(r.images, id)
			r.report.Replaced[id.String()] = true
			return nil
		case ctx.Err() != nil, HostFault(err):
			return err
		case err != nil:
			why = err
		}
	}
	if cfg.Offline {
		return nil // with what an index has it may come out yet
	}
	return why
}

func (r *repairer) imageOf(ctx context.Context, cfg Config, id snapshot.ID, m *snapshot.Manifest) (same bool, err error) {
	if len(m.Filled) > 0 {
		return false, errNotAgain
	}
	p := newPrevious(nil, m, cfg.Ecosystems)
	log := newLog(cfg)
	a, err := openAgain(ctx, cfg, p, r.stage, log)
	if err != nil {
		return false, err
	}
	defer a.close()
	items, gone, err := a.bring(ctx, a.picks)
	r.report.FetchedBytes += log.report.FetchedBytes
	if err != nil {
		return false, err
	}
	if len(log.report.Skipped) > 0 {
		return false, errors.New(log.report.Skipped[0].Reason)
	}
	if len(gone) > 0 {
		return false, fmt.Errorf("no environment %s", gone[0])
	}
	l, err := a.layOut(ctx, items)
	if err != nil {
		return false, err
	}
	failpoint.Here("repair: image laid out")
	write := func(f *os.File) error { return l.tree.Write(f) }
	if is, err := r.stage.IsImage(id, write); err != nil || !is {
		return false, err
	}
	// What it names has to be there before it is.
	if err := r.stage.Settle(func(snapshot.Object) bool { return true }); err != nil {
		return false, err
	}
	failpoint.Here("repair: objects of the image settled")
	return r.stage.MendImage(id, write)
}

// manifests are those in the pool, of whatever snapshot.
func (r *repairer) manifests(ctx context.Context) (all []*snapshot.Manifest, err error) {
	err = filepath.WalkDir(r.store.ObjectsDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if !d.Type().IsRegular() {
			return nil
		}
		if m := manifestAt(path); m != nil {
			all = append(all, m)
		}
		return nil
	})
	return all, err
}

// manifestAt reads a manifest; nil when the file is none.
func manifestAt(path string) *snapshot.Manifest {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const begins = "{\n \"format\": "
	head := make([]byte, len(begins))
	if _, err := io.ReadFull(f, head); err != nil || string(head) != begins {
		return nil
	}
	m, err := snapshot.ParseManifest(io.MultiReader(strings.NewReader(begins), f))
	if err != nil {
		return nil
	}
	return m
}

// private takes damaged private images out of sight: the next run of their locks seals them again.
func (r *repairer) private() error {
	for _, f := range r.report.Damage {
		if f.Kind != check.KindPrivate {
			continue
		}
		all, err := r.store.Privates(f.IDs[0])
		if err != nil {
			return err
		}
		for _, p := range all {
			if p.Dir != filepath.Join(r.store.Dir(), f.Path) {
				continue
			}
			if _, err := r.store.RetirePrivate(p); err != nil {
				return err
			}
			r.mended(check.KindPrivate, f.Path, "taken away: the next run of its lock seals it again")
		}
	}
	return nil
}
