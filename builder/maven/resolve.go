package maven

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"larder/builder"
	"larder/builder/maven/resolve"
	"larder/builder/sandbox"
	"larder/snapshot"
	"larder/snapshot/maven"
)

// project has the host's Maven build it.
func project(ctx context.Context, path string, repository http.Handler, stage *snapshot.Stage) error {
	scratch, err := stage.Scratch()
	if err != nil {
		return err
	}
	runner, err := sandbox.Open(scratch)
	if err != nil {
		return builder.Lacking(err)
	}
	defer runner.Close()
	return resolve.Project(ctx, path, repository, resolve.Options{Sandbox: runner, Scratch: scratch})
}

var _ builder.Resolver = (*world)(nil)

// Resolve implements builder.Resolver: what a project needs is what its build asks for. What was taken on
// the way is held, whatever becomes of the build.
func (w *world) Resolve(ctx context.Context, path string, _ builder.Target, fetch func(context.Context, builder.Artifact) (snapshot.Object, int64, error)) (*snapshot.Requirements, error) {
	s := &server{world: w, fetch: fetch, files: map[string]*file{}, leftOut: map[string]bool{}, indexes: map[string]bool{}}
	err := w.project(ctx, path, s, w.stage)
	cancelled := ctx.Err()
	if err := w.Keep(); err != nil {
		return nil, err
	}
	switch {
	case cancelled != nil:
		return nil, context.Cause(ctx)
	case s.failed != nil: // Maven can only say that it did not get it
		return nil, s.failed
	case err != nil:
		return nil, refused(err)
	}
	if text := s.looksUp(); text != "" {
		w.cfg.Warn(path + ": " + text)
	}
	return s.requirements()
}

// looksUp says which indexes of versions were asked for: they change, so none is stocked, and each build asks anew.
func (s *server) looksUp() string {
	const named = 3
	all := slices.Sorted(maps.Keys(s.indexes))
	if len(all) == 0 {
		return ""
	}
	text := strings.Join(all[:min(named, len(all))], ", ")
	if more := len(all) - named; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "it looks up the versions of " + text + ": a range of versions, or none, is asked for by later builds too, and fails with -o; name the version to ask for nothing"
}

// refused says of what errors of a project's build are: its own fault, or the repository's. Others are the host's.
func refused(err error) error {
	var f *resolve.Failure
	switch {
	case !errors.As(err, &f):
		return err
	case f.Reason == resolve.NotServed:
		return builder.Silence(builder.WithHint(errors.New(f.Detail), f.Hint()))
	}
	return builder.WithHint(fmt.Errorf("%w: %s: %s", builder.ErrRefused, f.Reason, f.Detail), f.Hint())
}

var _ builder.Keeper = (*world)(nil)

// Keep implements builder.Keeper: the store is told what was taken for the first time.
func (w *world) Keep() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.fresh) == 0 {
		return nil
	}
	slices.SortFunc(w.fresh, func(a, b snapshot.First) int { return strings.Compare(a.Name, b.Name) })
	err := w.cfg.Store.AddFirsts(maven.Name, w.fresh)
	w.fresh = nil
	return err
}

// take notes a file that is in the pool now.
func (w *world) take(f maven.File, t taken) {
	w.mu.Lock()
	defer w.mu.Unlock()
	path := f.Path()
	w.taken[path] = t
	if _, had := w.held[path]; had {
		return
	}
	first := snapshot.First{Name: path, SHA256: t.object.Digest, Size: t.size, URL: t.url, Time: time.Now().UTC().Truncate(time.Second), Detail: t.sum.Detail()}
	w.held[path] = first
	w.fresh = append(w.fresh, first)
}

// stocked finds a file that the store has taken once, and still has whole.
func (w *world) stocked(f maven.File) (taken, bool, error) {
	w.mu.Lock()
	first, ok := w.held[f.Path()]
	w.mu.Unlock()
	if !ok {
		return taken{}, false, nil
	}
	sum, err := maven.ParseDetail(first.Detail)
	if err != nil {
		return taken{}, false, nil // somebody's hand was in it: ask again
	}
	t := taken{snapshot.Object{Digest: first.SHA256}, first.Size, sum, first.URL}
	if w.client != nil {
		t.url = w.client.URL(f.Path()) // what another host with this configuration would say
	}
	size, err := w.stage.Check(t.object)
	switch {
	case errors.Is(err, snapshot.ErrDamaged):
		return taken{}, false, nil
	case err != nil:
		return taken{}, false, err
	}
	t.size = size
	return t, true, nil
}

// requirements are the files that were asked for, and there.
func (s *server) requirements() (*snapshot.Requirements, error) {
	r := &snapshot.Requirements{LeftOut: slices.Sorted(maps.Keys(s.leftOut))}
	var all strings.Builder
	for _, path := range slices.Sorted(maps.Keys(s.files)) {
		f := s.files[path]
		if f.err != nil {
			continue
		}
		pin := snapshot.Pin{Name: f.Project(), Version: f.Version, Digests: []string{digest(f.File, f.object)}}
		r.Pins = append(r.Pins, pin)
		fmt.Fprintf(&all, "%s %s\n", f.object.Digest, path)
	}
	if len(r.Pins) == 0 {
		return nil, builder.WithHint(fmt.Errorf("%w: its build asked for nothing", builder.ErrRefused), "mvn package in that directory, with an empty ~/.m2/repository, says what it needs")
	}
	r.Digest = snapshot.Sum([]byte(all.String())).String()
	return r, nil
}
