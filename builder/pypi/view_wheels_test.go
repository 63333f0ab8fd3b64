package pypi_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi"
	"larder/builder/pypi/pypitest"
	"larder/snapshot/image"
	details "larder/snapshot/pypi"
)

// A wheel lies where pip looks for one it has built, by its link with and without the hash, for each
// target whose interpreter its name allows; it is the object that is there already. For a target that
// comes later nothing is fetched.
func TestBuiltWheelsOfEachPython(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	all, err := pypi.Ecosystem().Targets(t.Context(), []string{"cp39-manylinux_2_17_x86_64", "cp311-manylinux_2_17_x86_64", "cp311-manylinux_2_36_x86_64"}, nil)
	must(t, err)
	urls, sums := map[string]string{}, map[string]string{}
	for _, x := range []pypitest.Wheel{{Name: "pure", Version: "1.0+local"}, {Name: "bound", Version: "1.0", Tag: "cp39-cp39-manylinux_2_17_x86_64"}} {
		data := x.Bytes()
		urls[x.Filename()] = w.index.AddFile(x.Name, pypitest.Artifact{Name: x.Filename(), Data: data})
		sums[x.Filename()] = digestOf(data)
	}
	for _, build := range []struct {
		targets []builder.Target
		pure    []string
	}{{all[:1], []string{"3.9"}}, {all, []string{"3.9", "3.11"}}} {
		r := w.must(ranking("pure", "bound"), func(c *builder.Config) { c.Targets, c.Layers = build.targets, builder.NoLayers })
		if again := len(build.pure) > 1; again && r.FetchedBytes != 0 {
			t.Errorf("%d bytes fetched for another Python", r.FetchedBytes)
		}
		var want, got []string
		for name, url := range urls {
			pythons := build.pure
			if strings.HasPrefix(name, "bound") {
				pythons = []string{"3.9"}
			}
			for _, python := range pythons {
				for _, sum := range []string{sums[name], ""} {
					want = append(want, "views/wheels/"+details.WheelDir(url, sum, python)+"/"+name)
				}
			}
		}
		img, files := w.open(r), 0
		must(t, img.Walk("views/wheels", func(e image.Entry) error {
			at := e.Path
			switch {
			case e.Mode.IsDir():
				return nil
			case e.Mode.IsRegular():
				files++
			default:
				at = path.Join(path.Dir(at), e.Target)
			}
			got = append(got, e.Path)
			if o, _, ok := img.Object(at); !ok || !strings.HasPrefix(at, "views/wheels/") || o.Digest.String() != sums[path.Base(e.Path)] {
				t.Errorf("%s leads to %s, not to the wheel", e.Path, at)
			}
			return nil
		}))
		if files != len(urls) {
			t.Errorf("%d files, of %d wheels", files, len(urls))
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("there are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
