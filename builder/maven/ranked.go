package maven

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"larder/builder"
	"larder/builder/maven/repository"
	"larder/snapshot"
	"larder/snapshot/maven"
)

// release is what to stock of a version of a ranked project: its POM, and the files that containers downloaded of it.
// Where it is ranked for something else, too, its jar, if there is one.
func (w *world) release(ctx context.Context, project string, wish builder.Wish) (c builder.Choice) {
	if wish.Pin == nil {
		c.Err = errors.New("no version of it is known: a ranking names it as GROUP:ARTIFACT:VERSION")
		return c
	}
	version := wish.Pin.Version
	pom, err := maven.POMOf(project, version)
	if err != nil {
		return builder.Choice{Err: err}
	}
	var lacks []string
	missed, others := w.wanted(project, version)
	for _, f := range slices.Concat(missed, others, []maven.File{pom}) {
		a, err := w.offered(ctx, f)
		switch {
		case errors.Is(err, repository.ErrNotFound):
			if slices.Contains(missed, f) {
				lacks = append(lacks, f.Name)
			}
			continue
		case err != nil:
			return builder.Choice{Err: err}
		}
		pick := &builder.Pick{Artifact: a, Target: wish.Target}
		if c.Pick == nil {
			c.Pick = pick
			continue
		}
		c.With = append(c.With, pick)
	}
	switch {
	case c.Pick == nil:
		c.Err = fmt.Errorf("the repository has no version %s of it", version)
	case len(lacks) > 0:
		w.cfg.Warn(fmt.Sprintf("%s: the repository has no %s, which a container downloaded", snapshot.PackageURL(maven.Name, maven.Package(project), version), strings.Join(lacks, ", ")))
	}
	return c
}

// wanted are the files of a version beside the POM: those that containers downloaded, and, where something else names the
// version, too, the one that most versions have. Some have none; and some jars Maven takes without their POM.
func (w *world) wanted(project, version string) (missed, others []maven.File) {
	e := w.cfg.Ranked[maven.Name].Entries[project]
	named, downloaded := slices.Contains(e.Pins, version), false
	pom, _ := maven.POMOf(project, version)
	for _, v := range e.Versions {
		f, err := maven.FileOf(project, version, v.File)
		switch {
		case v.Version != version:
		case v.File == "":
			named = true
		case err == nil:
			downloaded = true
			if f != pom && !slices.Contains(missed, f) {
				missed = append(missed, f)
			}
		}
	}
	if jar, err := maven.JarOf(project, version); err == nil && (named || !downloaded) && !slices.Contains(missed, jar) {
		others = append(others, jar)
	}
	return missed, others
}

// offered is a file as the store has it, else as the repository offers it: ErrNotFound where it does not.
func (w *world) offered(ctx context.Context, f maven.File) (a builder.Artifact, err error) {
	if t, ok := w.kept(f); ok {
		return w.artifact(f, t), nil
	}
	if w.client == nil {
		return a, errNoClient
	}
	sum, err := w.client.Checksum(ctx, f.Path())
	if errors.Is(err, repository.ErrNoChecksum) {
		return a, w.without(ctx, f, err)
	}
	if err != nil {
		return a, silence(err)
	}
	return w.artifact(f, taken{size: -1, sum: sum, url: w.client.URL(f.Path())}), nil
}

// kept is a file that this build has brought, or that the store has taken once and has an object of. Whether that is
// whole is looked at when it is stocked.
func (w *world) kept(f maven.File) (t taken, ok bool) {
	w.mu.Lock()
	t, brought := w.taken[f.Path()]
	first, held := w.held[f.Path()]
	w.mu.Unlock()
	if brought || !held {
		return t, brought
	}
	sum, err := maven.ParseDetail(first.Detail)
	if err != nil {
		return t, false
	}
	t = taken{snapshot.Object{Digest: first.SHA256}, first.Size, sum, first.URL}
	if w.client != nil {
		t.url = w.client.URL(f.Path()) // what another host with this configuration would say
	}
	o, err := w.cfg.Store.OpenObject(t.object)
	if err != nil {
		return t, false
	}
	defer o.Close()
	info, err := o.Stat()
	return t, err == nil && info.Size() == t.size
}

var _ builder.Estimator = (*world)(nil)

// Size implements builder.Estimator.
func (w *world) Size(ctx context.Context, a builder.Artifact) (int64, error) {
	if w.client == nil {
		return 0, errNoClient
	}
	size, err := w.client.Size(ctx, a.Own.(own).file.Path())
	return size, silence(err)
}

// Disk implements builder.Estimator: nothing is made of a file.
func (w *world) Disk(a builder.Artifact, _, _ int) int64 { return a.Size }
