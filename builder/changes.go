package builder

import (
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

// Change is what was added to a list of names, and what is gone from it.
type Change struct {
	Added []string `json:"added"`
	Gone  []string `json:"gone"`
}

// compare tells two manifests apart. Where nothing was current, old is empty.
func compare(from string, old, now *snapshot.Manifest) *Changes {
	c := &Changes{From: from, Projects: image.Artifacts(old, now), Lost: []string{}}
	c.Targets = changed(targetTags(old), targetTags(now))
	c.Environments = changed(environmentNames(old), environmentNames(now))
	c.Views = changed(old.Views, now.Views)
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
	for _, tag := range targetTags(now) {
		before, after := projectsFor(old, tag), projectsFor(now, tag)
		if gone := len(changed(before, after).Gone); gone*10 > len(before) {
			c.Lost = append(c.Lost, fmt.Sprintf("%d of %d projects for %s", gone, len(before), tag))
		}
	}
	return c
}

func changed(old, now []string) Change {
	lacks := func(list []string, from []string) []string {
		out := []string{}
		for _, name := range list {
			if !slices.Contains(from, name) && !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		slices.Sort(out)
		return out
	}
	return Change{Added: lacks(now, old), Gone: lacks(old, now)}
}

func targetTags(m *snapshot.Manifest) (tags []string) {
	for _, t := range m.Targets {
		tags = append(tags, t.Tag)
	}
	return tags
}

// environmentNames tell environments apart as a person does: by their lock's name and the target.
// One whose lock pins something else by now is neither gone nor added.
func environmentNames(m *snapshot.Manifest) (names []string) {
	for _, e := range m.Environments {
		names = append(names, e.Name+" for "+e.Target)
	}
	return names
}

func projectsFor(m *snapshot.Manifest, tag string) []string {
	projects := map[string]bool{}
	for _, a := range m.Artifacts {
		if slices.Contains(a.Targets, tag) {
			projects[a.Ecosystem+" "+a.Project] = true
		}
	}
	return slices.Sorted(maps.Keys(projects))
}

// sizes are those of the artifacts, by digest.
func sizes(m *snapshot.Manifest) map[snapshot.Digest]int64 {
	all := map[snapshot.Digest]int64{}
	for _, a := range m.Artifacts {
		all[a.SHA256] = max(0, a.Size)
	}
	return all
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
		if len(list.Gone) > 0 {
			parts = append(parts, list.what+" gone: "+strings.Join(list.Gone, ", "))
		}
	}
	return strings.Join(parts, "; ")
}
