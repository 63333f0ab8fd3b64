package builder

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"

	"larder/builder/pypi/index"
	"larder/builder/pypi/pip"
	"larder/snapshot"
	"larder/snapshot/pypi/lock"
)

// ViewNames are the views a build can write, each below /views of the image:
//
//	pip      the cache of pip >= 23.3
//	pip-old  the cache of older pips, which holds every wheel once more
//	simple   a static index (PEP 503 and 691) with the wheels below +files
var ViewNames = []string{"pip", "pip-old", "simple"}

// wheelType is the Content-Type of a wheel's cache entry.
const wheelType = "application/octet-stream"

// serves says whether a view is wanted.
func (b *build) serves(view string) bool { return slices.Contains(b.Views, view) }

// bodyPath is where the pip view has a wheel itself.
func bodyPath(f index.File) string { return "views/pip/" + pip.Path(f.URL) + ".body" }

// simplePath is where the simple view has a wheel.
func simplePath(filename string) string { return "views/simple/" + files + "/" + filename }

// cacheEntries writes what pip keeps of a download: the wheel, and its metadata
// file where the index announces one.
func (l *layout) cacheEntries(s *stocked) error {
	u, size := s.file.URL, s.size
	if u == "" {
		return nil // not from the index: a bundled pip
	}
	if l.serves("pip") {
		p := "views/pip/" + pip.Path(u)
		if err := l.bytes(p, pip.Entry(wheelType, size, s.file.SHA256)); err != nil {
			return err
		}
		if err := l.tree.File(bodyPath(s.file), s.body, size, snapshot.Epoch); err != nil {
			return err
		}
	}
	if s.oldEntry != nil {
		if err := l.tree.File("views/pip-old/"+pip.OldPath(u), *s.oldEntry, s.oldSize, snapshot.Epoch); err != nil {
			return err
		}
	}
	n, etag, text := s.metadataSize, s.ownMetadata.String(), snapshot.Object{Digest: s.ownMetadata}
	if n == 0 {
		return nil
	}
	if l.serves("pip") {
		p := "views/pip/" + pip.Path(u+".metadata")
		if err := l.bytes(p, pip.Entry(wheelType, n, etag)); err != nil {
			return err
		}
		if err := l.tree.File(p+".body", text, n, snapshot.Epoch); err != nil {
			return err
		}
	}
	if l.serves("pip-old") {
		f, err := l.stage.Open(text)
		if err != nil {
			return err
		}
		defer f.Close()
		r, _ := pip.OldEntry(wheelType, n, etag, f)
		var entry bytes.Buffer
		if _, err := entry.ReadFrom(r); err != nil {
			return err
		}
		if err := l.bytes("views/pip-old/"+pip.OldPath(u+".metadata"), entry.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// files is where the simple view keeps the wheels: "+" cannot begin a project's name.
const files = "+files"

// simple writes the static index. Links are relative, so that it can be served, or
// read from a file: URL, at any place.
func (l *layout) simple(all []stocked) error {
	if !l.serves("simple") {
		return nil
	}
	byProject := map[string][]*wheelRow{}
	for _, s := range all {
		w := l.wheels[s.file.SHA256]
		if w.URL == "" {
			continue
		}
		if !slices.Contains(byProject[s.project], w) {
			byProject[s.project] = append(byProject[s.project], w)
		}
	}
	placed := map[string]bool{}
	var projects []string
	for project, wheels := range byProject {
		projects = append(projects, project)
		slices.SortFunc(wheels, func(a, b *wheelRow) int {
			return cmp.Or(strings.Compare(a.Filename, b.Filename), bytes.Compare(a.SHA256[:], b.SHA256[:]))
		})
		// Two files of one name (of two indexes) cannot both be served: the first is.
		wheels = slices.CompactFunc(wheels, func(a, b *wheelRow) bool { return a.Filename == b.Filename })
		for _, w := range wheels {
			if placed[w.Filename] {
				continue
			}
			placed[w.Filename] = true
			if err := l.tree.File(simplePath(w.Filename), snapshot.Object{Digest: w.SHA256}, w.Size, snapshot.Epoch); err != nil {
				return err
			}
		}
		if err := l.projectPage(project, wheels); err != nil {
			return err
		}
	}
	slices.Sort(projects)
	return l.projectList(projects)
}

// simplePage is PEP 691's project page and project list.
type simplePage struct {
	Meta     map[string]string `json:"meta"`
	Name     string            `json:"name,omitempty"`
	Files    []simpleFile      `json:"files,omitempty"`
	Projects []simpleProject   `json:"projects,omitempty"`
}

type simpleProject struct {
	Name string `json:"name"`
}

type simpleFile struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython string            `json:"requires-python,omitempty"`
	Size           int64             `json:"size"`
}

var simpleMeta = map[string]string{"api-version": "1.1"}

func (l *layout) projectPage(project string, wheels []*wheelRow) error {
	page := simplePage{Meta: simpleMeta, Name: project}
	var b strings.Builder
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.1\"><title>%s</title></head><body>\n", html.EscapeString(project))
	for _, w := range wheels {
		link := "../" + files + "/" + url.PathEscape(w.Filename)
		requires := ""
		if w.detail.RequiresPython != "" {
			requires = ` data-requires-python="` + html.EscapeString(w.detail.RequiresPython) + `"`
		}
		fmt.Fprintf(&b, "<a href=\"%s#sha256=%s\"%s>%s</a><br>\n", link, w.SHA256, requires, html.EscapeString(w.Filename))
		page.Files = append(page.Files, simpleFile{w.Filename, link, map[string]string{"sha256": w.SHA256.String()}, w.detail.RequiresPython, w.Size})
	}
	b.WriteString("</body></html>\n")
	return l.page("views/simple/"+project, b.String(), page)
}

func (l *layout) projectList(projects []string) error {
	page := simplePage{Meta: simpleMeta}
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.1\"><title>Simple index</title></head><body>\n")
	for _, p := range projects {
		fmt.Fprintf(&b, "<a href=\"%s/\">%s</a><br>\n", p, html.EscapeString(p))
		page.Projects = append(page.Projects, simpleProject{p})
	}
	b.WriteString("</body></html>\n")
	return l.page("views/simple", b.String(), page)
}

// page writes both forms of one page of the index.
func (l *layout) page(dir, htmlPage string, jsonPage simplePage) error {
	if err := l.bytes(dir+"/index.html", []byte(htmlPage)); err != nil {
		return err
	}
	return l.json(dir+"/index.json", jsonPage)
}

// json stages v's JSON form and places it at path.
func (l *layout) json(path string, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return l.bytes(path, b.Bytes())
}

// layersOf returns the layers that meet a lock's pins, by project: the order of the
// lowers, since of two wheels that own one path the alphabetically first project's
// file is what pip leaves. It returns nil when a pin has no layer.
func (l *layout) layersOf(all []stocked, target int, pins []lock.Pin) []string {
	var layers []string
	for i := range pins {
		pin := &pins[i]
		at := slices.IndexFunc(all, func(s stocked) bool {
			return s.target == target && s.project == pin.Name && s.layer != nil && s.locked && pinned(s.version, pin) &&
				(len(pin.Hashes) == 0 || slices.Contains(pin.Hashes, s.file.SHA256))
		})
		if at < 0 {
			return nil
		}
		layers = append(layers, all[at].layer.id)
	}
	return layers
}
