package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/url"
	"slices"
	"strings"

	"larder/builder"
)

// files is where the simple view keeps the wheels: "+" cannot begin a project's name.
const files = "+files"

// simpleEntries is the wheel.
func simpleEntries(it *builder.Item) []builder.ViewEntry {
	return []builder.ViewEntry{{Path: files + "/" + it.Filename, Object: it.Object, Size: it.Size}}
}

// simplePages are the static index (PEP 503 and 691). Links are relative, so that it can be served,
// or read from a file: URL, at any place.
func simplePages(items []*builder.Item) ([]builder.ViewEntry, error) {
	byProject := map[string][]*builder.Item{}
	for _, it := range items {
		byProject[it.Project] = append(byProject[it.Project], it)
	}
	projects := slices.Sorted(maps.Keys(byProject))
	entries, err := projectList(projects)
	for _, project := range projects {
		if err != nil {
			return nil, err
		}
		wheels := byProject[project]
		slices.SortFunc(wheels, func(a, b *builder.Item) int {
			return cmp.Or(strings.Compare(a.Filename, b.Filename), strings.Compare(a.Digest, b.Digest))
		})
		// Two files of one name (of two indexes) cannot both be served: the first is.
		wheels = slices.CompactFunc(wheels, func(a, b *builder.Item) bool { return a.Filename == b.Filename })
		var page []builder.ViewEntry
		page, err = projectPage(project, wheels)
		entries = append(entries, page...)
	}
	return entries, err
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

func projectPage(project string, wheels []*builder.Item) ([]builder.ViewEntry, error) {
	page := simplePage{Meta: simpleMeta, Name: project}
	var b strings.Builder
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.1\"><title>%s</title></head><body>\n", html.EscapeString(project))
	for _, w := range wheels {
		link := "../" + files + "/" + url.PathEscape(w.Filename)
		python, requires := wheelOf(w).RequiresPython, ""
		if python != "" {
			requires = ` data-requires-python="` + html.EscapeString(python) + `"`
		}
		fmt.Fprintf(&b, "<a href=\"%s#sha256=%s\"%s>%s</a><br>\n", link, w.Digest, requires, html.EscapeString(w.Filename))
		page.Files = append(page.Files, simpleFile{w.Filename, link, map[string]string{"sha256": w.Digest}, python, w.Size})
	}
	b.WriteString("</body></html>\n")
	return bothForms(project+"/", b.String(), page)
}

func projectList(projects []string) ([]builder.ViewEntry, error) {
	page := simplePage{Meta: simpleMeta}
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html><head><meta name=\"pypi:repository-version\" content=\"1.1\"><title>Simple index</title></head><body>\n")
	for _, p := range projects {
		fmt.Fprintf(&b, "<a href=\"%s/\">%s</a><br>\n", p, html.EscapeString(p))
		page.Projects = append(page.Projects, simpleProject{p})
	}
	b.WriteString("</body></html>\n")
	return bothForms("", b.String(), page)
}

// bothForms are one page of the index as HTML and as JSON.
func bothForms(dir, htmlPage string, jsonPage simplePage) ([]builder.ViewEntry, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(jsonPage)
	return []builder.ViewEntry{{Path: dir + "index.html", Bytes: []byte(htmlPage)}, {Path: dir + "index.json", Bytes: b.Bytes()}}, err
}
