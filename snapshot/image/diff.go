package image

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// Change is one difference between two snapshots. What is "" is not in that snapshot.
type Change struct {
	Name string `json:"name"`
	From string `json:"from"`
	To   string `json:"to"`
}

// Artifacts compares two manifests by project, named as people are shown it: two ecosystems may have one
// of the same name. The versions are those that each has.
func Artifacts(a, b *snapshot.Manifest) []Change {
	from, to := versions(a), versions(b)
	return changes(from, to)
}

// versions lists, for each project, its versions in order; a version of several artifacts is there once,
// but for what was built from sources, which may come to be published, or be built another way.
func versions(m *snapshot.Manifest) map[string]string {
	list := map[string][]string{}
	for _, w := range m.Artifacts {
		version := w.Version
		if b := w.Built; b != nil {
			version += fmt.Sprintf(" (built by %s, %s)", b.Recipe.Short(), b.Kind)
		}
		name := ecosystem.Shown(w.Ecosystem, w.Project, "", "")
		if !slices.Contains(list[name], version) {
			list[name] = append(list[name], version)
		}
	}
	out := make(map[string]string, len(list))
	for project, v := range list {
		slices.Sort(v)
		out[project] = strings.Join(v, ", ")
	}
	return out
}

// Files compares two images by path: mode and content of every file, target of every link.
// Directories are not listed, times are not compared.
func Files(a, b *Image) ([]Change, error) {
	from, err := describeAll(a)
	if err != nil {
		return nil, err
	}
	to, err := describeAll(b)
	if err != nil {
		return nil, err
	}
	return changes(from, to), nil
}

func describeAll(img *Image) (map[string]string, error) {
	all := map[string]string{}
	err := img.Walk("", func(e Entry) error {
		switch {
		case e.Mode.IsDir():
		case e.Mode&fs.ModeSymlink != 0:
			all[e.Path] = "-> " + e.Target
		case e.Size == 0:
			all[e.Path] = e.Mode.String() + " empty"
		default:
			all[e.Path] = e.Mode.String() + " " + e.Object.Digest.String()
		}
		return nil
	})
	return all, err
}

func changes(from, to map[string]string) []Change {
	out := []Change{}
	for name, v := range from {
		if to[name] != v {
			out = append(out, Change{name, v, to[name]})
		}
	}
	for name, v := range to {
		if _, ok := from[name]; !ok {
			out = append(out, Change{name, "", v})
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Manifest reads the image's manifest, and compares its bytes with the image: they are an object of
// the pool, and ErrDamaged when they are others.
func (i *Image) Manifest() (*snapshot.Manifest, error) {
	f, err := i.Open(snapshot.ManifestPath)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	o, _, _ := i.Object(snapshot.ManifestPath)
	h := sha256.New()
	m, err := snapshot.ParseManifest(io.TeeReader(f, h))
	if _, rest := io.Copy(h, f); rest != nil {
		return nil, fmt.Errorf("read manifest: %w", rest)
	}
	if snapshot.Digest(h.Sum(nil)) != o.Digest {
		return nil, fmt.Errorf("read manifest: object %s holds other bytes: %w", o, snapshot.ErrDamaged)
	}
	return m, err
}
