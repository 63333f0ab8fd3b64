package source

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"larder/builder/pypi/source/canonical"
	"larder/builder/pypi/source/sdist"
	"larder/snapshot"
)

// Recipe is all that decides what is made of a source. Two hosts with one recipe make the same bytes.
type Recipe struct {
	Source      snapshot.Digest   `json:"source"`
	Target      string            `json:"target"`   // its tag
	Python      string            `json:"python"`   // the interpreter's full version
	Requires    []Dependency      `json:"requires"` // sorted by project
	BackEnd     string            `json:"back_end"` // module, or module:object
	BackEndPath []string          `json:"back_end_path"`
	Settings    map[string]string `json:"settings"` // config settings of the back end
	Environment map[string]string `json:"environment"`
	Root        string            `json:"root"`      // RootFormat, and the system where there may be machine code
	Canonical   int               `json:"canonical"` // canonical.Format
	Kind        string            `json:"kind"`      // snapshot.Pure: machine code is refused; snapshot.Native: it is not
	// Shared libraries that machine code may need beside what every container has. Sorted.
	Libraries []string `json:"libraries,omitempty"`
}

// Dependency is a wheel that the back end is built of, or imports.
type Dependency struct {
	Project  string          `json:"project"`
	Version  string          `json:"version"`
	Filename string          `json:"filename"`
	SHA256   snapshot.Digest `json:"sha256"`
	// URL is where it was found just now. It is no part of a recipe: the digest decides, not the mirror.
	URL string `json:"-"`
}

// ErrRecipe is what is wrong with a recipe that was kept, or that is for another source, target or
// interpreter than those at hand.
var ErrRecipe = errors.New("recipe not usable")

// environment is what builds see. Nothing of the host's own is in it.
var environment = map[string]string{
	"PATH": prefix + "/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LC_ALL": "C.UTF-8", "TZ": "UTC",
	"SOURCE_DATE_EPOCH": "315532800", // 1980-01-01, the earliest time of a zip's entry
	"PYTHONHASHSEED":    "0", "PYTHONUTF8": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1",
	"PYTHONPATH": clockDir,
}

// settings are those without which a back end's result is not repeatable: by itself, this one builds in a
// directory with a random name, which it writes down.
var settings = map[string]map[string]string{"mesonpy": {"build-dir": "/build/meson"}}

func (b *Builder) recipe(ctx context.Context, a *archive, kind string, requires []Dependency) (Recipe, error) {
	root, err := b.rootOf(ctx, kind)
	if err != nil {
		return Recipe{}, err
	}
	r := Recipe{
		Source: a.source.Digest, Target: b.cfg.Tag.String(), Python: b.cfg.Interpreter.Version,
		Requires: requires, BackEnd: a.system.BackEnd, BackEndPath: a.system.BackEndPath, Environment: environment,
		Root: root.name, Canonical: canonical.Format, Kind: kind, Settings: settings[a.system.BackEnd],
	}
	if kind == snapshot.Native {
		r.Environment, r.Libraries = nativeEnvironment, slices.Compact(slices.Sorted(slices.Values(b.cfg.Libraries)))
	}
	return r, nil
}

// Encode is the one text of a recipe: compact JSON with sorted keys of maps, nothing null.
func (r Recipe) Encode() []byte {
	r.Requires, r.BackEndPath = append([]Dependency{}, r.Requires...), append([]string{}, r.BackEndPath...)
	sortDependencies(r.Requires)
	if r.Settings == nil {
		r.Settings = map[string]string{}
	}
	if r.Environment == nil {
		r.Environment = map[string]string{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		panic(err) // strings and maps of strings only
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// ID is the SHA-256 of the recipe's text.
func (r Recipe) ID() snapshot.Digest { return snapshot.Sum(r.Encode()) }

// ParseRecipe reads a recipe's text and no other: what it has too much or otherwise could decide too.
func ParseRecipe(text []byte) (Recipe, error) {
	var r Recipe
	if err := json.Unmarshal(text, &r); err != nil {
		return Recipe{}, fmt.Errorf("%w: %w", ErrRecipe, err)
	}
	if !bytes.Equal(r.Encode(), text) {
		return Recipe{}, fmt.Errorf("%w: it is not as this program writes it", ErrRecipe)
	}
	return r, nil
}

func sortDependencies(all []Dependency) {
	slices.SortFunc(all, func(a, b Dependency) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Filename, b.Filename))
	})
}

// fits says whether a recipe can be followed here.
func (b *Builder) fits(ctx context.Context, r Recipe, s Source) error {
	switch {
	case r.Kind != snapshot.Pure && r.Kind != snapshot.Native:
		return fmt.Errorf("%w for %s: there is no kind %.80q", ErrRecipe, s.Filename, r.Kind)
	case r.Kind == snapshot.Native && b.lacks() != "":
		return fmt.Errorf("%w for %s: %s", ErrRecipe, s.Filename, b.lacks())
	}
	root, err := b.rootOf(ctx, r.Kind)
	if err != nil {
		return err
	}
	for _, c := range []struct{ what, want, have string }{
		{"source", r.Source.String(), s.Digest.String()},
		{"target", r.Target, b.cfg.Tag.String()},
		{"Python", r.Python, b.cfg.Interpreter.Version},
		{"root", r.Root, root.name},
		{"canonical form", fmt.Sprint(r.Canonical), fmt.Sprint(canonical.Format)},
	} {
		if c.want != c.have {
			return fmt.Errorf("%w for %s: it is for the %s %.300q, here is %.300q", ErrRecipe, s.Filename, c.what, c.want, c.have)
		}
	}
	// It goes to the runner as it stands.
	if err := sdist.CheckBackEnd(sdist.System{BackEnd: r.BackEnd, BackEndPath: r.BackEndPath}); err != nil {
		return fmt.Errorf("%w for %s: %w", ErrRecipe, s.Filename, err)
	}
	return nil
}
