package pypi_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/snapshot"
)

// An index that is slow in every way there is holds a build no longer than FetchTime,
// be it a page, a file or a source, of the ranking or of a lock.
func TestBuildEndsWithFetchTime(t *testing.T) {
	whl, source := pypitest.Wheel{Name: "slow"}, pypitest.Sdist{Name: "slow", Version: "1.0"}
	ranked := func(*world) func(*builder.Config) { return ranking("good", "slow") }
	locked := func(w *world) func(*builder.Config) { return w.lock("requirements.txt", "good==1.0\nslow==1.0\n") }
	for name, c := range map[string]struct {
		file   string
		data   []byte
		page   bool // is what is slow
		wanted func(w *world) func(*builder.Config)
	}{
		"page":             {whl.Filename(), whl.Bytes(), true, ranked},
		"file":             {whl.Filename(), whl.Bytes(), false, ranked},
		"source":           {source.Filename(), source.Bytes(t), false, ranked},
		"source of a lock": {source.Filename(), source.Bytes(t), false, locked},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pypitest.Options{})
			w.add(pypitest.Wheel{Name: "good"})
			w.index.AddFile("slow", pypitest.Artifact{Name: c.file, Data: c.data})
			path := w.index.FilePath(c.file)
			if c.page {
				path = w.index.PagePath("slow")
			}
			w.index.Fault(path, pypitest.Fault{Hang: true})
			_, err := w.build(c.wanted(w), func(c *builder.Config) {
				c.FetchTime = time.Second
				c.Builds = func(string) snapshot.Built { return snapshot.PureBuilt }
			})
			if !errors.Is(err, builder.ErrUnreachable) || !strings.Contains(err.Error(), "longer than 1s") || strings.Count(err.Error(), "cannot be reached") != 1 {
				t.Errorf("%v", err)
			}
			if !slices.ContainsFunc(w.index.Requests(), func(r pypitest.Request) bool { return r.Path == path }) {
				t.Error("it was not asked for")
			}
			if _, err := w.store.Current(); !errors.Is(err, snapshot.ErrNoSnapshot) {
				t.Errorf("current: %v", err)
			}
			// The store is free again.
			w.must(ranking("good"))
		})
	}
}
