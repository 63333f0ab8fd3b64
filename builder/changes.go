package builder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/image"
)

// Changes is what a build's snapshot has and lacks against the one that was current. Lists are sorted,
// and never null.
type Changes struct {
	From         string         `json:"from"`    // id of what was current; "" for none
	Targets      Change         `json:"targets"` // tags
	Environments Change         `json:"environments"`
	Views        Change         `json:"views"`
	Projects     []image.Change `json:"projects"`    // their versions then and now; "" for none
	AddedBytes   int64          `json:"added_bytes"` // of artifacts that are new
	GoneBytes    int64          `json:"gone_bytes"`  // and of those that are there no more
	// Lost are the losses that nobody may overlook, a line each: of a target, of a lock's
	// environment, of more than a tenth of a target's projects.
	Lost []string `json:"lost"`
}

// Change is what was added to a list of names, what is gone from it, and which mean something else.
type Change struct {
	Added   []string `json:"added"`
	Changed []string `json:"changed"`
	Gone    []string `json:"gone"`
}

// compare tells two manifests apart. Where nothing was current, old is empty.
func compare(from string, old, now *snapshot.Manifest) *Changes {
	c := &Changes{From: from, Projects: image.Artifacts(old, now), Lost: []string{}}
	c.Targets = changed(targets(old), targets(now))
	c.Environments = changed(environments(old), environments(now))
	c.Views = changed(named(old.Views), named(now.Views))
	had, has := sizes(old), sizes(now)
	for digest, size := range has {
		if _, ok := had[digest]; !ok {
			c.AddedBytes += size
		}
	}
	for digest, size := range had {
		if _, ok := has[digest]; !ok {
			c.GoneBytes += size
		}
	}
	for _, tag := range c.Targets.Gone {
		c.Lost = append(c.Lost, "target "+tag)
	}
	for _, name := range c.Environments.Gone {
		c.Lost = append(c.Lost, "the environment of "+name)
	}
	for _, tag := range slices.Sorted(maps.Keys(targets(now))) {
		before, after := projectsFor(old, tag), projectsFor(now, tag)
		if gone := len(changed(before, after).Gone); gone*10 > len(before) {
			c.Lost = append(c.Lost, fmt.Sprintf("%d of %d projects for %s", gone, len(before), tag))
		}
	}
	return c
}

// changed compares two sets of names, each with what it stands for.
func changed(old, now map[string]string) Change {
	c := Change{Added: []string{}, Changed: []string{}, Gone: []string{}}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		was, ok := old[name]
		switch {
		case !ok:
			c.Added = append(c.Added, name)
		case was != now[name]:
			c.Changed = append(c.Changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old)) {
		if _, ok := now[name]; !ok {
			c.Gone = append(c.Gone, name)
		}
	}
	return c
}

// targets are the tags; what they stand for may be another release of an interpreter.
func targets(m *snapshot.Manifest) map[string]string {
	all := map[string]string{}
	for _, t := range m.Targets {
		var detail bytes.Buffer
		json.Compact(&detail, t.Detail) // what is no JSON does not get into a manifest
		all[t.Tag] = detail.String()
	}
	return all
}

// environments are told apart as a person does: by their lock's name and the target.
func environments(m *snapshot.Manifest) map[string]string {
	all := map[string]string{}
	for _, e := range m.Environments {
		all[e.Name+" for "+e.Target] += e.Lock // several locks may have one name
	}
	return all
}

func named(list []string) map[string]string {
	all := map[string]string{}
	for _, name := range list {
		all[name] = ""
	}
	return all
}

func projectsFor(m *snapshot.Manifest, tag string) map[string]string {
	projects := map[string]string{}
	for _, a := range m.Artifacts {
		if slices.Contains(a.Targets, tag) {
			projects[a.Ecosystem+" "+a.Project] = ""
		}
	}
	return projects
}

// sizes are those of the artifacts, by digest. A plan may not know that of one whose index publishes another.
func sizes(m *snapshot.Manifest) map[string]int64 {
	all := map[string]int64{}
	for _, a := range m.Artifacts {
		key := a.SHA256.String()
		if a.SHA256.IsZero() {
			key = a.Ecosystem + " " + a.Project + " " + a.Version
		}
		all[key] = max(0, a.Size)
	}
	return all
}

// None says that nothing is new, and nothing gone.
func (c *Changes) None() bool {
	n := len(c.Projects)
	for _, list := range []Change{c.Targets, c.Environments, c.Views} {
		n += len(list.Added) + len(list.Changed) + len(list.Gone)
	}
	return n == 0 && c.AddedBytes == 0 && c.GoneBytes == 0
}

// Text is all of it as one line.
func (c *Changes) Text() string {
	added, gone, other := 0, 0, 0
	for _, p := range c.Projects {
		switch {
		case p.From == "":
			added++
		case p.To == "":
			gone++
		default:
			other++
		}
	}
	parts := []string{fmt.Sprintf("%d projects added, %d changed, %d gone", added, other, gone)}
	for _, list := range []struct {
		what string
		Change
	}{{"targets", c.Targets}, {"environments", c.Environments}, {"views", c.Views}} {
		if len(list.Added) > 0 {
			parts = append(parts, list.what+" added: "+strings.Join(list.Added, ", "))
		}
		if len(list.Changed) > 0 {
			parts = append(parts, list.what+" changed: "+strings.Join(list.Changed, ", "))
		}
		if len(list.Gone) > 0 {
			parts = append(parts, list.what+" gone: "+strings.Join(list.Gone, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
