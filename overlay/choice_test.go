package overlay

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// able is a construction that makes trees or not, and notes that it was asked.
type able struct {
	Construction
	name  string
	tree  error
	asked *[]string
}

func (a able) Name() string { return a.name }

func (a able) OpenTree(Image, string, Owner) (*os.File, error) {
	*a.asked = append(*a.asked, a.name)
	return nil, a.tree
}

func (a able) UpperInUse(string) (bool, error) { return true, nil }

func (a able) NewView(View) (*os.File, error) {
	*a.asked = append(*a.asked, a.name+" view")
	return nil, a.tree
}

// Constructions are tried in order, once; what worked is remembered, and forgotten where it does not.
func TestChoice(t *testing.T) {
	lacking := newError("set lowerdir+", "", "", "", unix.ENOSYS)
	deep := overlayError("mount", "larder:tree", "", unix.EINVAL)
	broken := &os.PathError{Op: "open", Path: "image", Err: unix.EIO}
	foreign := &Problem{Kind: ErrUnsupported, Text: "no idmapped mounts"}
	memory := filepath.Join(t.TempDir(), "construction")
	for _, c := range []struct {
		name       string
		remembered string
		a, b, c    error
		want       []string
		err        error
		memory     string
	}{
		{"the first", "", nil, nil, nil, []string{"a"}, nil, ""},
		{"the first, whatever is remembered", "c", nil, nil, nil, []string{"a"}, nil, "c"},
		{"the second", "", lacking, nil, nil, []string{"a", "b"}, nil, "b"},
		{"the third", "", deep, lacking, nil, []string{"a", "b", "c"}, nil, "c"},
		{"the third, remembered", "c", lacking, lacking, nil, []string{"a", "c"}, nil, "c"},
		{"remembered, and no more", "c", lacking, nil, lacking, []string{"a", "c", "b"}, nil, "b"},
		{"remembered nonsense", "x", lacking, nil, nil, []string{"a", "b"}, nil, "b"},
		{"none", "", lacking, lacking, lacking, []string{"a", "b", "c"}, ErrUnsupported, ""},
		{"too deep for all", "", deep, deep, deep, []string{"a", "b", "c"}, ErrDepth, ""},
		{"none for this owner", "", lacking, lacking, foreign, []string{"a", "b", "c"}, foreign, ""},
		{"another trouble", "", broken, nil, nil, []string{"a"}, unix.EIO, ""},
	} {
		os.Remove(memory)
		if c.remembered != "" {
			if err := os.Symlink(c.remembered, memory); err != nil {
				t.Fatal(err)
			}
		}
		var asked []string
		choice := &choice{memory: memory, all: []Construction{able{nil, "a", c.a, &asked}, able{nil, "b", c.b, &asked}, able{nil, "c", c.c, &asked}}}
		if _, err := choice.UpperInUse(""); err != nil {
			t.Error(err)
		}
		_, err := choice.OpenTree(Image{}, "", Owner{})
		if !slices.Equal(asked, c.want) || !errors.Is(err, c.err) {
			t.Errorf("%s: asked %v, %v; want %v, %v", c.name, asked, err, c.want, c.err)
		}
		if got, _ := os.Readlink(memory); got != c.memory {
			t.Errorf("%s: remembers %q, want %q", c.name, got, c.memory)
		}
		if err != nil {
			continue
		}
		last := asked[len(asked)-1]
		if _, err := choice.NewView(View{}); err != nil || asked[len(asked)-1] != last+" view" || choice.Name() != last {
			t.Errorf("%s: then asked %v, %v, is settled on %s", c.name, asked, err, choice.Name())
		}
	}
}
