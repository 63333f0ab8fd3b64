package npm

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"

	"larder/builder"
	"larder/builder/memory"
	"larder/builder/npm/registry"
	"larder/builder/npm/tarball"
	"larder/snapshot"
	"larder/snapshot/npm"
)

// world is a build from registries.
type world struct {
	cfg    builder.Config
	client *registry.Client // nil: no registry is asked
	stage  *snapshot.Stage  // nil: nothing is stocked

	packuments *packuments // nil: no view has any
}

func (w *world) Close() {
	if w.client != nil {
		w.client.Close()
	}
}

// silence marks an error that is no answer about what was asked for: the registry cannot be reached,
// or sends something else (an error page with status 200, a login form).
func silence(err error) error {
	if errors.Is(err, registry.ErrUnreachable) || errors.Is(err, registry.ErrAnswer) {
		return builder.Silence(err)
	}
	return err
}

// errNoClient is what a build says that asks no registry.
var errNoClient = builder.Silence(errors.New("no registry is asked"))

// Choose finds the version of each pin, and of a project that is ranked the one that npm installs where none is
// named: what npm would fetch for it. Like npm, it asks nothing about what locks say in full.
func (w *world) Choose(ctx context.Context, project string, wishes []builder.Wish) ([]builder.Choice, error) {
	if w.client == nil {
		return nil, errNoClient
	}
	if choices := w.named(project, wishes); choices != nil {
		return choices, nil
	}
	versions := make([]string, len(wishes))
	for i, wish := range wishes {
		if wish.Pin != nil {
			versions[i] = wish.Pin.Version
		}
	}
	releases, errs, err := w.client.Releases(ctx, npm.Package(project), versions)
	if err != nil {
		return nil, silence(err)
	}
	choices := make([]builder.Choice, len(wishes))
	for i, wish := range wishes {
		switch choices[i].Err = errs[i]; {
		case errs[i] != nil:
		case wish.Place > 0:
			choices[i].Err = installs(releases[i], wish.Target)
		case wish.Pin != nil:
			choices[i].Err = agrees(releases[i], wish.Pin)
		}
		if choices[i].Err == nil {
			choices[i].Pick = pick(project, releases[i], wish.Target)
		}
	}
	return choices, nil
}

// named answers wishes without the registry, nil when it cannot answer all of them: each is a lock's, which
// has the integrity and the address. What is there is compared with the one when it is fetched; as a dry
// run fetches nothing, it asks.
func (w *world) named(project string, wishes []builder.Wish) (choices []builder.Choice) {
	for _, wish := range wishes {
		if w.cfg.DryRun || wish.Place > 0 || wish.Pin == nil || len(wish.Pin.Digests) != 1 {
			return nil
		}
		sum, err := npm.SumOf(wish.Pin.Digests[0])
		if err != nil {
			return nil
		}
		r, ok := w.client.Named(npm.Package(project), wish.Pin.Version, wish.Pin.Address, sum)
		if !ok {
			return nil
		}
		p := pick(project, r, wish.Target)
		p.ByLock = true
		choices = append(choices, builder.Choice{Pick: p})
	}
	return choices
}

// installs says whether npm would install a version on a target. Of a lock that is decided.
func installs(r registry.Release, target string) error {
	tag, err := npm.ParseTag(target)
	if err == nil && !r.Platform.On(tag) {
		err = fmt.Errorf("%s is not for %s: npm installs it on %s", r.Version, tag, r.Platform)
	}
	return err
}

// agrees compares what a lock says of a version with what the registry publishes. An older lock
// has a SHA-1, which registries publish beside what counts now.
func agrees(r registry.Release, pin *snapshot.Pin) error {
	if len(pin.Digests) == 0 || slices.Contains(pin.Digests, r.Sum.Hex()) || slices.Contains(pin.Digests, r.Shasum.Hex()) {
		return nil
	}
	locked := pin.Digests[0]
	if sum, err := npm.SumOf(locked); err == nil {
		locked = sum.String()
	}
	return fmt.Errorf("the lock has the integrity %s, and the registry publishes %s", locked, r.Sum)
}

// own is what an artifact has beside what a build knows of all.
type own struct {
	sum    npm.Sum
	detail npm.Tarball
}

func pick(project string, r registry.Release, target string) *builder.Pick {
	o := own{r.Sum, npm.Tarball{Integrity: r.Sum.String()}}
	if !r.Shasum.IsZero() {
		o.detail.Shasum = r.Shasum.Hex()
	}
	a := builder.Artifact{Project: project, Version: r.Version, Filename: project + "-" + r.Version + ".tgz", Digest: r.Sum.Hex(), Size: -1, URL: r.URL, Index: r.Registry, Own: o}
	if r.Sum.Algorithm() == "sha256" {
		a.Object.Digest, _ = snapshot.ParseDigest(a.Digest) // hexadecimal of that length
	}
	return &builder.Pick{Artifact: a, Target: target, LayerID: layerID(a.Digest, target), Names: []string{r.Version}}
}

func (w *world) Known(row snapshot.ManifestArtifact, target string) (*builder.Pick, error) {
	sum, err := sumOf(row)
	if err != nil {
		return nil, err
	}
	p := pick(row.Project, registry.Release{Version: row.Version, Sum: sum, URL: row.URL, Registry: row.Index}, target)
	detail, err := npm.TarballOf(row)
	if err != nil {
		return nil, err
	}
	p.Own = own{sum, detail}
	p.Object, p.Size = snapshot.Object{Digest: row.SHA256}, row.Size
	return p, nil
}

func tarballOf(a builder.Artifact) registry.Tarball {
	return registry.Tarball{Filename: a.Filename, URL: a.URL, Sum: a.Own.(own).sum, Size: a.Size}
}

func (w *world) Fetch(ctx context.Context, a builder.Artifact, to builder.Sink) error {
	if w.client == nil {
		return errNoClient
	}
	return silence(w.client.Fetch(ctx, tarballOf(a), to))
}

// Size implements builder.Estimator.
func (w *world) Size(ctx context.Context, a builder.Artifact) (int64, error) {
	if w.client == nil {
		return 0, errNoClient
	}
	size, err := w.client.Size(ctx, tarballOf(a))
	return size, silence(err)
}

// unpackedPercent is what a package's files take, in hundredths of its tarball: 80 tarballs of 12 MB, of express,
// typescript, esbuild and what they need, made layers of 47 MB.
const unpackedPercent = 410

var _ builder.Estimator = (*world)(nil)

// Disk implements builder.Estimator.
func (w *world) Disk(a builder.Artifact, layers, _ int) int64 {
	if layers > 0 {
		return a.Size + a.Size*unpackedPercent/100
	}
	return a.Size
}

func (w *world) Reuse(it *builder.Item, row snapshot.ManifestArtifact) bool {
	detail, err := npm.TarballOf(row)
	if _, unreadable := sumOf(row); err != nil || unreadable != nil {
		return false
	}
	had := detail.Packument
	if detail.Packument = w.whole(had); had != detail.Packument {
		it.Detail = detail.Detail()
	}
	return had == nil || detail.Packument != nil || w.packuments == nil
}

func (w *world) Unpack(ctx context.Context, it *builder.Item, r builder.Reader, put builder.Put) (_ []builder.Unfit, err error) {
	detail := it.Own.(own).detail
	if detail.Packument, err = w.again(ctx, it.Project, detail.Packument); err != nil {
		return nil, err
	}
	if it.ByLock { // registries publish it, and a lock does not have it
		sum := sha1.New()
		if _, err := io.Copy(sum, io.NewSectionReader(r, 0, it.Size)); err != nil {
			return nil, err
		}
		detail.Shasum = hex.EncodeToString(sum.Sum(nil))
	}
	it.Detail = detail.Detail()
	picks := it.Unmade()
	if len(picks) == 0 {
		if it.Known { // it was read whole once
			return nil, nil
		}
		put = discard
	}
	giveBack, err := memory.TakeReader(ctx, tarball.Memory)
	if err != nil {
		return nil, err
	}
	defer giveBack()
	src := tarball.Source{ReaderAt: r, Size: it.Size, Filename: it.Filename}
	entries, err := tarball.Unpack(ctx, src, npm.Package(it.Project), it.Version, put)
	if err != nil {
		return nil, err
	}
	for _, p := range picks {
		p.Layer = entries
	}
	return nil, nil
}

// discard reads a file of which no layer is made.
func discard(r io.Reader, _ bool) (snapshot.Object, int64, error) {
	n, err := io.Copy(io.Discard, r)
	return snapshot.Object{}, n, err
}
