package maven

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"crypto/sha256"

	"larder/builder"
	"larder/builder/maven/repository"
	"larder/snapshot"
	"larder/snapshot/maven"
)

// world is a build from a repository.
type world struct {
	cfg     builder.Config
	client  *repository.Client // nil: no repository is asked
	stage   *snapshot.Stage    // nil in a dry run
	project resolver

	mu    sync.Mutex
	held  map[string]snapshot.First // by path: what the store has taken once
	fresh []snapshot.First          // of them, those that it is not told of yet
	taken map[string]taken          // by path: what this build has in the pool
}

// taken is a file in the pool.
type taken struct {
	object snapshot.Object
	size   int64
	sum    maven.Sum
	url    string
}

func (w *world) Close() {
	if w.client != nil {
		w.client.Close()
	}
}

// silence marks an error that is no answer about what was asked for.
func silence(err error) error {
	if errors.Is(err, repository.ErrUnreachable) {
		return builder.Silence(err)
	}
	return err
}

// errNoClient is what a build says that asks no repository.
var errNoClient = builder.Silence(errors.New("no repository is asked"))

// digest tells artifacts apart: what they are and where they go. Files of two releases may have the same bytes, and the
// same name where a project has moved to another group.
func digest(f maven.File, o snapshot.Object) string { return o.Digest.String() + "/" + f.Path() }

func digestOf(row snapshot.ManifestArtifact) string {
	f, err := maven.FileOf(row.Project, row.Version, row.Filename)
	if err != nil {
		return row.SHA256.String() // Known says that it is damaged
	}
	return digest(f, snapshot.Object{Digest: row.SHA256})
}

// own is what an artifact has beside what a build knows of all.
type own struct {
	file maven.File
	sum  maven.Sum // zero: nobody has asked
}

// artifact is a file, as far as it is known.
func (w *world) artifact(f maven.File, t taken) builder.Artifact {
	a := builder.Artifact{Project: f.Project(), Version: f.Version, Filename: f.Name, Object: t.object, Size: t.size, URL: t.url, Own: own{f, t.sum}}
	switch {
	case t.object != (snapshot.Object{}):
		a.Digest = digest(f, t.object)
	case t.sum != (maven.Sum{}):
		a.Digest = t.sum.Hex() + "/" + f.Path() // until it is fetched
	}
	a.Index = strings.TrimSuffix(strings.TrimSuffix(t.url, f.Path()), "/")
	return a
}

// Choose finds what Resolve has brought, or, for what a snapshot had, where it would be now; and what a ranked version has.
func (w *world) Choose(ctx context.Context, project string, wishes []builder.Wish) ([]builder.Choice, error) {
	choices := make([]builder.Choice, len(wishes))
	for i, wish := range wishes {
		if wish.Place > 0 {
			choices[i] = w.release(ctx, project, wish)
			continue
		}
		if wish.Pin == nil || len(wish.Pin.Digests) != 1 {
			return nil, errors.New("nobody says which file of it is meant")
		}
		choices[i].Pick, choices[i].Err = w.choose(project, wish)
	}
	return choices, nil
}

func (w *world) choose(project string, wish builder.Wish) (*builder.Pick, error) {
	sha256, name, _ := strings.Cut(wish.Pin.Digests[0], "/")
	f, err := maven.FileOf(project, wish.Pin.Version, path.Base(name))
	if err != nil {
		return nil, err
	}
	d, err := snapshot.ParseDigest(sha256)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	t, ok := w.taken[f.Path()]
	w.mu.Unlock()
	if !ok || t.object.Digest != d {
		if w.client == nil {
			return nil, errNoClient
		}
		t = taken{object: snapshot.Object{Digest: d}, size: -1, url: w.client.URL(f.Path())}
	}
	return &builder.Pick{Artifact: w.artifact(f, t), Target: wish.Target}, nil
}

func (w *world) Known(row snapshot.ManifestArtifact, target string) (*builder.Pick, error) {
	f, err := maven.FileOf(row.Project, row.Version, row.Filename)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, snapshot.ErrDamaged)
	}
	sum, err := maven.DetailOf(row)
	if err != nil {
		return nil, err
	}
	a := w.artifact(f, taken{snapshot.Object{Digest: row.SHA256}, row.Size, sum, row.URL})
	a.Index = row.Index
	return &builder.Pick{Artifact: a, Target: target}, nil
}

// Fetch implements builder.World. A release whose bytes the store knows has no others.
func (w *world) Fetch(ctx context.Context, a builder.Artifact, to builder.Sink) error {
	if w.client == nil {
		return errNoClient
	}
	o := a.Own.(own)
	file := repository.File{Name: a.Filename, URL: a.URL, Sum: o.sum, Size: a.Size}
	if a.Object != (snapshot.Object{}) {
		var err error
		if file.Sum, err = maven.NewSum("sha256", a.Object.Digest.String()); err != nil {
			return err
		}
	}
	got := &hashing{Sink: to, hash: sha256.New()}
	if err := w.client.Fetch(ctx, file, got); err != nil {
		return silence(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if first, ok := w.held[o.file.Path()]; ok && hex.EncodeToString(got.hash.Sum(nil)) != first.SHA256.String() {
		return w.changed(o.file, first, hex.EncodeToString(got.hash.Sum(nil)))
	}
	return nil
}

// changed refuses a release that is not what it was.
func (w *world) changed(f maven.File, first snapshot.First, now string) error {
	return builder.WithHint(fmt.Errorf("%w: %s of %s:%s is not what it was on %s: its SHA-256 is %s, and was %s", builder.ErrRefused,
		f.Name, f.Project(), f.Version, first.Time.Format(time.DateOnly), now, first.SHA256),
		"a release does not change: ask whoever runs the repository; if the new one is right, take the line of "+f.Path()+" out of "+w.cfg.Store.FirstsPath(maven.Name))
}

// hashing is a sink that knows the SHA-256 of what it took.
type hashing struct {
	builder.Sink
	hash interface {
		Write([]byte) (int, error)
		Sum([]byte) []byte
		Reset()
	}
}

func (h *hashing) Write(p []byte) (int, error) {
	h.hash.Write(p) // never fails
	return h.Sink.Write(p)
}

func (h *hashing) Truncate() error {
	h.hash.Reset()
	return h.Sink.Truncate()
}

func (w *world) Reuse(it *builder.Item, row snapshot.ManifestArtifact) bool {
	_, err := maven.DetailOf(row)
	return err == nil
}

// Unpack implements builder.World. Nothing is made of a file: whoever mounts it reads it. Now it is in the pool.
func (w *world) Unpack(_ context.Context, it *builder.Item, _ builder.Reader, _ builder.Put) ([]builder.Unfit, error) {
	o := it.Own.(own)
	it.Detail = o.sum.Detail()
	w.take(o.file, taken{it.Object, it.Size, o.sum, it.URL})
	return nil, nil
}
