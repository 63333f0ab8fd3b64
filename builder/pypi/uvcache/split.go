package uvcache

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"larder/snapshot/image"
)

// Split parts the files of a cache by project. What is no project's is in common.
func Split(entries []image.Entry) (common []image.Entry, of map[string][]image.Entry) {
	archives := map[string]string{} // project by name of the archive
	for _, e := range entries {
		if project := projectOf(e.Path); project != "" && e.Mode&fs.ModeSymlink != 0 {
			archives[path.Base(e.Target)] = project
		}
	}
	of = map[string][]image.Entry{}
	for _, e := range entries {
		if e.Mode.IsDir() {
			continue // whatever is in it makes it
		}
		project := projectOf(e.Path)
		if rest, ok := strings.CutPrefix(e.Path, "archive-v"); ok {
			_, rest, _ = strings.Cut(rest, "/")
			name, _, _ := strings.Cut(rest, "/")
			project = archives[name]
			if project == "" {
				continue // of a wheel that was not taken over
			}
		}
		if project == "" {
			common = append(common, e)
		} else {
			of[project] = append(of[project], e)
		}
	}
	return common, of
}

// projectOf is the project that a file below wheels-vN, sdists-vN and simple-vN is of: below pypi/, or
// index/ and a digest of the index's address, a directory in the first two and a file in the last.
func projectOf(name string) string {
	parts := strings.Split(name, "/")
	if !slices.ContainsFunc([]string{"wheels-v", "sdists-v", "simple-v"}, func(p string) bool { return strings.HasPrefix(parts[0], p) }) {
		return ""
	}
	at := 2
	if len(parts) > 1 && parts[1] == "index" {
		at = 3
	}
	if len(parts) <= at {
		return ""
	}
	return strings.TrimSuffix(parts[at], ".rkyv")
}
