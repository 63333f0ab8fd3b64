package pypi_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
)

// The pages of an index need not say which Python a wheel is for; METADATA does.
func TestRequiresPythonOfMetadata(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	silently := func(x pypitest.Wheel) {
		w.index.AddFile(x.Name, pypitest.Artifact{Name: x.Filename(), Data: x.Bytes()})
	}
	silently(pypitest.Wheel{Name: "falls-back", Version: "1.0", RequiresPython: ">=3.6"})
	silently(pypitest.Wheel{Name: "falls-back", Version: "2.0", RequiresPython: ">=3.98"})
	silently(pypitest.Wheel{Name: "falls-back", Version: "3.0", RequiresPython: ">=3.99"})
	silently(pypitest.Wheel{Name: "too-new", Version: "2.0", RequiresPython: ">=3.99"})
	silently(pypitest.Wheel{Name: "unreadable", Version: "1.0", RequiresPython: ">=banana"})
	tag := w.cfg.Targets[0].Tag
	stocked := func(r *builder.Report, path string) bool {
		_, err := fs.Stat(w.open(r), "by-name/"+tag+"/"+path)
		return err == nil
	}
	for name, edit := range map[string]func(*builder.Config){
		"ranking": func(*builder.Config) {},
		"budget":  withBudget(1 << 30),
	} {
		t.Run(name, func(t *testing.T) {
			r := w.must(ranking("falls-back", "too-new", "unreadable"), edit, func(c *builder.Config) { c.Force = true })
			if !stocked(r, "falls-back/1.0") || stocked(r, "falls-back/2.0") || stocked(r, "falls-back/3.0") || stocked(r, "too-new/2.0") || !stocked(r, "unreadable/1.0") {
				t.Errorf("%+v", r)
			}
			var skips []string
			for _, s := range r.Skipped {
				if s.Project == "too-new" {
					skips = append(skips, s.Reason)
				} else if name == "ranking" {
					t.Errorf("skipped %+v", s)
				}
			}
			if len(skips) != 1 || !strings.Contains(skips[0], `too_new-2.0-py3-none-any.whl needs Python ">=3.99" by its METADATA`) {
				t.Errorf("skips: %q", skips)
			}
		})
	}
	_, err := w.build(w.lock("lock.txt", "falls-back==1.0\ntoo-new==2.0\n"))
	if !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), `too_new-2.0-py3-none-any.whl needs Python ">=3.99" by its METADATA`) {
		t.Errorf("lock: %v", err)
	}
}
