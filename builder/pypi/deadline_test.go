package pypi_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/snapshot"
)

// An index that is slow in every way there is holds a build no longer than FetchTime,
// be it a page or a file, of the ranking or of a lock.
func TestBuildEndsWithFetchTime(t *testing.T) {
	for name, path := range map[string]func(w *world, x pypitest.Wheel) string{
		"page": func(w *world, x pypitest.Wheel) string { return w.index.PagePath(x.Name) },
		"file": func(w *world, x pypitest.Wheel) string { return w.index.FilePath(x.Filename()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pypitest.Options{})
			x := pypitest.Wheel{Name: "slow"}
			w.add(x, pypitest.Wheel{Name: "good"})
			w.index.Fault(path(w, x), pypitest.Fault{Hang: true})
			_, err := w.build(ranking("good", "slow"), func(c *builder.Config) { c.FetchTime = time.Second })
			if !errors.Is(err, builder.ErrUnreachable) || !strings.Contains(err.Error(), "longer than 1s") {
				t.Errorf("%v", err)
			}
			if _, err := w.store.Current(); !errors.Is(err, snapshot.ErrNoSnapshot) {
				t.Errorf("current: %v", err)
			}
			// The store is free again.
			w.must(ranking("good"))
		})
	}
}
