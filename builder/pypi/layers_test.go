package pypi_test

import (
	"errors"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
)

// A lock's wheel has a layer, or the build says why it cannot have one.
func TestLockedWheelsHaveLayers(t *testing.T) {
	w := newWorld(t, pypitest.Options{})
	forms := append(pypitest.OddRecords(),
		pypitest.Wheel{Name: "nothing", Files: []pypitest.File{}},
		pypitest.Wheel{Name: "long-name", Files: []pypitest.File{{Path: strings.Repeat("n", 250) + ".py", Text: "x = 1\n"}}},
	)
	var pins strings.Builder
	for _, f := range forms {
		w.add(f)
		pins.WriteString(f.Name + "==1.0\n")
	}
	r := w.must(w.lock("lock.txt", pins.String()))
	if r.Layers != len(forms) || r.Wheels != len(forms) {
		t.Errorf("%d layers of %d wheels, want %d", r.Layers, r.Wheels, len(forms))
	}

	w.add(pypitest.Wheel{Name: "blank", EditRecord: func(rows []string) []string { return append(rows, "") }})
	// Two files that need one place: only making the layer finds that.
	w.add(pypitest.Wheel{Name: "clash", Files: []pypitest.File{{Path: "x/y.py"}}, Purelib: []pypitest.File{{Path: "x", Text: "x"}}})
	w.index.AddFile("empty", pypitest.Artifact{Name: "empty-1.0-py3-none-any.whl", Data: []byte{}})
	for name, want := range map[string]string{
		"blank": "has a blank line", "clash": "needs a directory where", "empty": "refused empty-1.0-py3-none-any.whl: is empty",
	} {
		_, err := w.build(w.lock("lock.txt", name+"==1.0\n"))
		if !errors.Is(err, builder.ErrRefused) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s in a lock: %v", name, err)
		}
		r := w.must(ranking("nothing", name))
		if len(r.Skipped) != 1 || r.Skipped[0].Project != name || !strings.Contains(r.Skipped[0].Reason, want) {
			t.Errorf("%s in a ranking: %+v", name, r.Skipped)
		}
	}
}
