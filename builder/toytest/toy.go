// Package toytest is a toy ecosystem: what a new one has to bring. Its artifacts are plain tar files, its
// index is a directory with a file DIGESTS ("project version sha512" a line), which is also what its
// locks look like. A fourth word of a lock, "in:PATH", puts the parcel there; the lock itself is then a file of the
// environment's own, beside a link to its first parcel. A fourth word, "source", makes it a source, with its SHA-256, which is built by adding a
// block to its end. It has one target, no installer, and one view of what its index publishes.
package toytest

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"
	"time"

	"larder/builder"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/image"
)

// Ecosystem builds from the index at a directory.
func Ecosystem(index func() string) builder.Ecosystem {
	return builder.Ecosystem{
		Ecosystem: ecosystem.Ecosystem{
			Name: "toy", Artifact: "parcel", Attached: []string{"toy"}, Locks: locks{}, Environments: boxes{},
			Clients: []ecosystem.Client{{Name: "toy", Variable: "TOY_CACHE", Dir: "toy", Views: []string{"toy"}, Built: []string{"toy-built", "toy-built-native"}}},
		},
		Writers: []builder.View{
			{Name: "toy", Entries: entries, Pages: pages},
			{Name: "toy-built", Built: snapshot.PureBuilt, Entries: entries}, {Name: "toy-built-native", Built: snapshot.AllBuilt, Entries: entries},
		},
		Targets: func(context.Context, []string, map[string]string) ([]builder.Target, error) {
			return []builder.Target{{Target: snapshot.Target{Ecosystem: "toy", Tag: "toy"}}}, nil
		},
		Digest: digestOf,
		Open: func(_ context.Context, cfg builder.Config, _ *snapshot.Stage) (builder.World, error) {
			return world{index(), cfg}, nil
		},
	}
}

type locks struct{}

func (locks) IsLock(path string) bool { return strings.HasSuffix(path, "toy.lock") }

func (locks) Read(files ecosystem.Files, paths []string, _ snapshot.Target) (*snapshot.Requirements, error) {
	var all []byte
	for _, path := range paths {
		lock, err := files.ReadFile(path, 1<<20)
		if err != nil {
			return nil, err
		}
		all = append(all, lock...)
	}
	r := &snapshot.Requirements{Digest: snapshot.Sum(all).String()}
	for _, a := range read(all) {
		pin := snapshot.Pin{Name: a.Project, Version: a.Version, Spellings: []string{a.Version}, Digests: []string{a.Digest}}
		if a.Source {
			pin.Spellings, pin.Digests, pin.Sources = nil, nil, pin.Digests
		}
		r.Pins = append(r.Pins, pin)
	}
	r.Places, r.Mounts = places(all), mounts(all)
	if len(r.Mounts) > 0 {
		r.Own = []snapshot.OwnFile{{Path: "0/LOCK", Data: all}, {Path: "0/out", Link: "../nowhere"}, {Path: "1/none", Link: "nowhere"}}
	} else if len(r.Places) > 0 {
		r.Own = []snapshot.OwnFile{{Path: "LOCK", Data: all}, {Path: "first", Link: r.Places[0].Path}, {Path: "none", Link: "nowhere"}}
	}
	return r, nil
}

// mounts are where a lock wants the parts of its environment: the second words of its lines "at PATH".
func mounts(lock []byte) (all []string) {
	for line := range strings.Lines(string(lock)) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "at" {
			all = append(all, f[1])
		}
	}
	return all
}

// places are where a lock wants its parcels, sorted.
func places(lock []byte) (all []snapshot.Place) {
	pin := -1
	for s := bufio.NewScanner(bytes.NewReader(lock)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) >= 3 {
			pin++
		}
		if at := len(f) - 1; at >= 3 && strings.HasPrefix(f[at], "in:") {
			all = append(all, snapshot.Place{Path: f[at][3:], Pin: pin})
		}
	}
	slices.SortFunc(all, func(a, b snapshot.Place) int { return strings.Compare(a.Path, b.Path) })
	return all
}

// boxes are environments: always new ones, with a file of their own below the parcels.
type boxes struct{}

func (boxes) Alone() bool                                { return false }
func (boxes) Noun() string                               { return "toy box" }
func (boxes) String() string                             { return "toys" }
func (boxes) Usual(string, func(string) string) []string { return nil }
func (boxes) Installed(*os.File, string, func(string) string, time.Time) []ecosystem.Present {
	return nil
}
func (b boxes) Open(ecosystem.Files, string) (ecosystem.Environment, error)    { return b, nil }
func (b boxes) New(ecosystem.Files, func(string) string) ecosystem.Environment { return b }
func (boxes) NeedsInstaller(*os.File, *snapshot.Requirements) (bool, error)    { return false, nil }
func (boxes) Mask(*os.File, []string) (func(string) error, error)              { return nil, nil }
func (boxes) Make(dir string, _ snapshot.Target, _ string, _, _ int) (string, error) {
	return "a box", os.WriteFile(filepath.Join(dir, "box"), []byte("box\n"), 0o644)
}
func (boxes) Scripts(string, []snapshot.Script) ([]ecosystem.Install, bool) { return nil, false }
func (boxes) Install(string, []snapshot.Pin) []ecosystem.Install            { return nil }
func (boxes) Targets(all []snapshot.Target, _ map[string]string) []snapshot.Target {
	return slices.DeleteFunc(all, func(t snapshot.Target) bool { return t.Ecosystem != "toy" })
}
func (boxes) Variables(dir string, _ func(string) string) (map[string]string, []string) {
	return map[string]string{"TOYS": dir}, nil
}

// read reads lines of DIGESTS or of a lock.
func read(data []byte) (all []builder.Artifact) {
	for s := bufio.NewScanner(bytes.NewReader(data)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) >= 3 {
			name := f[0] + "-" + f[1] + ".tar"
			a := builder.Artifact{Project: f[0], Version: f[1], Filename: name, Digest: f[2], Size: -1, URL: "toy:///" + name, Index: "toy:///", Source: len(f) > 3 && f[3] == "source"}
			if a.Source {
				a.Object.Digest, _ = snapshot.ParseDigest(a.Digest) // zero of what is none
			}
			all = append(all, a)
		}
	}
	return all
}

// digestOf reads the detail of a parcel: the index's digest.
func digestOf(row snapshot.ManifestArtifact) (sha512 string) {
	_ = json.Unmarshal(row.Detail, &sha512) // none then, and nothing is reused
	return sha512
}

type world struct {
	dir string
	cfg builder.Config
}

func (w world) Close() {}

func (w world) Choose(_ context.Context, project string, wishes []builder.Wish) ([]builder.Choice, error) {
	data, err := os.ReadFile(filepath.Join(w.dir, "DIGESTS"))
	if err != nil {
		return nil, builder.Silence(err)
	}
	choices := make([]builder.Choice, len(wishes))
	for i, wish := range wishes {
		choices[i].Err = fmt.Errorf("the index has no such parcel of %s", project)
		for _, a := range read(data) {
			switch {
			case a.Project != project || wish.Pin != nil && !slices.Contains(slices.Concat(wish.Pin.Digests, wish.Pin.Sources), a.Digest):
			case a.Source && wish.Ready:
			case a.Source && (w.cfg.Builds == nil || w.cfg.Builds(project) == snapshot.NoBuilt):
				choices[i].Err = fmt.Errorf("the index has only a source of %s: %w", project, builder.ErrSource)
			default:
				choices[i] = builder.Choice{Pick: pick(a, wish.Target)}
			}
		}
	}
	return choices, nil
}

func pick(a builder.Artifact, target string) *builder.Pick {
	return &builder.Pick{Artifact: a, Target: target, LayerID: snapshot.Sum([]byte("toy layer 1\n" + target + "\n" + a.Digest)).Short(), Names: []string{a.Version}}
}

func (w world) Known(row snapshot.ManifestArtifact, target string) (*builder.Pick, error) {
	a := builder.Artifact{
		Project: row.Project, Version: row.Version, Filename: row.Filename, Digest: digestOf(row),
		Object: snapshot.Object{Digest: row.SHA256}, Size: row.Size, URL: row.URL, Index: row.Index, Built: row.Built,
	}
	if row.Built != nil {
		a.Digest = row.SHA256.String()
	}
	return pick(a, target), nil
}

// Make builds a source that has no file named "breaks".
func (w world) Make(ctx context.Context, p *builder.Pick, source builder.Reader, put builder.Put) error {
	text, err := io.ReadAll(source)
	if err != nil {
		return err
	}
	r := snapshot.Recipe{Ecosystem: "toy", Target: p.Target, Project: p.Project, Version: p.Version, Filename: p.Filename,
		Source: snapshot.Sum(text), URL: p.URL, Index: p.Index, What: json.RawMessage(`{"source":"` + p.Digest + `"}`)}
	if bytes.Contains(text, []byte("breaks")) {
		r.Failure = &snapshot.RecipeFailure{Reason: "broken", Detail: "it has a file that breaks"}
		return errors.Join(fmt.Errorf("%s: %s", p.Filename, r.Failure.Detail), w.cfg.Store.PutRecipe(r))
	}
	o, size, err := w.Remake(ctx, r, source, put)
	if err != nil {
		return err
	}
	r.Result = &snapshot.RecipeResult{Filename: "built-" + p.Filename, SHA256: o.Digest, Size: size, Kind: snapshot.Pure}
	if bytes.Contains(text, []byte("native")) {
		r.Result.Kind = snapshot.Native
	}
	a := p.Artifact
	a.Source, a.Filename, a.Object, a.Size, a.Digest = false, r.Result.Filename, o, size, o.Digest.String()
	a.Built = &snapshot.ManifestBuilt{Source: r.Source, Recipe: r.ID(), Kind: r.Result.Kind}
	p.Artifact, p.LayerID = a, pick(a, p.Target).LayerID
	return w.cfg.Store.PutRecipe(r)
}

func (w world) Source(r snapshot.Recipe) builder.Artifact {
	var what struct {
		Source string `json:"source"`
	}
	_ = json.Unmarshal(r.What, &what) // no digest then, which no file has
	return builder.Artifact{Project: r.Project, Version: r.Version, Filename: r.Filename, Digest: what.Source, Object: snapshot.Object{Digest: r.Source}, Size: -1, URL: r.URL, Index: r.Index}
}

func (w world) Remake(_ context.Context, _ snapshot.Recipe, source builder.Reader, put builder.Put) (snapshot.Object, int64, error) {
	return put(io.MultiReader(io.NewSectionReader(source, 0, 1<<20), bytes.NewReader(make([]byte, 512))), false)
}

func (w world) Fetch(_ context.Context, a builder.Artifact, to builder.Sink) error {
	f, err := os.Open(filepath.Join(w.dir, a.Filename))
	if err != nil {
		return builder.Silence(err)
	}
	defer f.Close()
	h := sha512.New()
	if len(a.Digest) == 2*sha256.Size { // of a source
		h = sha256.New()
	}
	if _, err := io.Copy(io.MultiWriter(h, to), f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != a.Digest {
		return fmt.Errorf("%s: its digest is %.12s…, and the index publishes %.12s…: %w", a.Filename, got, a.Digest, builder.ErrRefused)
	}
	return nil
}

func (w world) Reuse(*builder.Item, snapshot.ManifestArtifact) bool { return true }

func (w world) Unpack(_ context.Context, it *builder.Item, r builder.Reader, put builder.Put) ([]builder.Unfit, error) {
	files := fstest.MapFS{}
	t := tar.NewReader(r)
	for h, err := t.Next(); err != io.EOF; h, err = t.Next() {
		if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", it.Filename, builder.ErrRefused, err)
		}
		if !fs.ValidPath(strings.TrimSuffix(h.Name, "/")) {
			return nil, fmt.Errorf("%s: %w: it has a file named %q", it.Filename, builder.ErrRefused, h.Name)
		}
		file := &fstest.MapFile{Mode: h.FileInfo().Mode(), Data: []byte(h.Linkname)}
		if h.Typeflag == tar.TypeReg {
			if file.Data, err = io.ReadAll(t); err != nil {
				return nil, err
			}
		}
		files[strings.TrimSuffix(h.Name, "/")] = file
	}
	layer, err := image.Import(files, put)
	for _, p := range it.Unmade() {
		p.Layer = layer
	}
	it.Detail, _ = json.Marshal(it.Digest)
	return nil, err
}

func entries(it *builder.Item) []builder.ViewEntry {
	return []builder.ViewEntry{
		{Path: it.Filename, Object: it.Object, Size: it.Size},
		{Path: it.Filename + ".sha256", Make: func(parcel io.Reader) (io.Reader, error) {
			h := sha256.New()
			_, err := io.Copy(h, parcel)
			return strings.NewReader(hex.EncodeToString(h.Sum(nil)) + "\n"), err
		}},
	}
}

func pages(items []*builder.Item) ([]builder.ViewEntry, error) {
	var list strings.Builder
	for _, it := range items {
		fmt.Fprintln(&list, it.Project, it.Version, it.Digest)
	}
	return []builder.ViewEntry{{Path: "DIGESTS", Bytes: []byte(list.String())}}, nil
}
