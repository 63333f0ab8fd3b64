package maventest

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Release is one of a project: a POM, and what its packaging asks for.
type Release struct {
	ID        string            // group:artifact:version
	Packaging string            // "" is jar
	Parent    string            // the same of a parent
	Needs     []string          // the same of dependencies, perhaps with :classifier
	Managed   []string          // BOMs that it imports
	Plugins   []string          // whose goal "say" is bound to the phase validate
	Pinned    []string          // plugins, to the versions that they are to have
	Contents  map[string]string // of the jar
	Also      map[string]string // other files, by what follows the version in their names: "-linux.tar.gz"
}

type coordinate struct {
	GroupID    string `xml:"groupId"`
	ArtifactID string `xml:"artifactId"`
	Version    string `xml:"version"`
	Classifier string `xml:"classifier,omitempty"`
	Type       string `xml:"type,omitempty"`
	Scope      string `xml:"scope,omitempty"`
}

func parse(id string) coordinate {
	p := append(strings.Split(id, ":"), "", "", "")
	return coordinate{GroupID: p[0], ArtifactID: p[1], Version: p[2], Classifier: p[3]}
}

// Path is where a release's file is, by what follows the version in its name: ".pom", ".jar".
func Path(id, suffix string) string {
	c := parse(id)
	return fmt.Sprintf("%s/%s/%s/%s-%s%s", strings.ReplaceAll(c.GroupID, ".", "/"), c.ArtifactID, c.Version, c.ArtifactID, c.Version, suffix)
}

// Files are what a repository has of it, by path.
func (r Release) Files() map[string][]byte {
	all := map[string][]byte{Path(r.ID, ".pom"): r.POM()}
	if r.Packaging != "pom" {
		all[Path(r.ID, ".jar")] = Jar(r.Contents)
	}
	for suffix, text := range r.Also {
		all[Path(r.ID, suffix)] = []byte(text)
	}
	return all
}

type plugin struct {
	coordinate
	Goals []string `xml:"executions>execution>goals>goal,omitempty"`
	Phase string   `xml:"executions>execution>phase,omitempty"`
}

// POM is its project model.
func (r Release) POM() []byte {
	project := struct {
		XMLName      xml.Name `xml:"project"`
		ModelVersion string   `xml:"modelVersion"`
		coordinate
		Packaging string       `xml:"packaging,omitempty"`
		Parent    *coordinate  `xml:"parent,omitempty"`
		Managed   []coordinate `xml:"dependencyManagement>dependencies>dependency,omitempty"`
		Needs     []coordinate `xml:"dependencies>dependency,omitempty"`
		Plugins   []plugin     `xml:"build>plugins>plugin,omitempty"`
		Pinned    []plugin     `xml:"build>pluginManagement>plugins>plugin,omitempty"`
	}{ModelVersion: "4.0.0", coordinate: parse(r.ID), Packaging: r.Packaging}
	if r.Parent != "" {
		parent := parse(r.Parent)
		project.Parent = &parent
	}
	for _, need := range r.Needs {
		project.Needs = append(project.Needs, parse(need))
	}
	for _, bom := range r.Managed {
		c := parse(bom)
		c.Type, c.Scope = "pom", "import"
		project.Managed = append(project.Managed, c)
	}
	for _, id := range r.Plugins {
		project.Plugins = append(project.Plugins, plugin{parse(id), []string{"say"}, "validate"})
	}
	for _, id := range r.Pinned {
		project.Pinned = append(project.Pinned, plugin{coordinate: parse(id)})
	}
	text, err := xml.MarshalIndent(project, "", "  ")
	if err != nil {
		panic(err) // strings: none can fail
	}
	return append(text, '\n')
}

// Jar is an archive of files, the same for the same ones.
func Jar(contents map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(contents[name]))
		}
		if err != nil {
			panic(err) // in memory
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Project writes the POM of a project into a directory, and returns its path.
func Project(t testing.TB, dir string, r Release) string {
	t.Helper()
	path := filepath.Join(dir, "pom.xml")
	if err := os.WriteFile(path, r.POM(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
