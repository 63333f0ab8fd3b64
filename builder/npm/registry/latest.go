package registry

import (
	"fmt"

	"larder/builder/fetch"
	"larder/snapshot/npm"
)

// latest is the version that npm installs where none is named (npm-pick-manifest, of npm 10 and 11): what the tag
// says, unless that is deprecated; then the newest release that is not, else the newest. Which node a version
// wants does not count: nobody knows which one there will be.
func (doc *packument) latest() (string, error) {
	tagged, _ := doc.Tags["latest"].(string)
	if v, ok := doc.Versions[tagged]; ok && !v.deprecated() && npm.CheckVersion(tagged) == nil {
		return tagged, nil
	}
	best := ""
	for version, v := range doc.Versions {
		if npm.CheckVersion(version) != nil || !npm.IsRelease(version) {
			continue
		}
		by := npm.CompareVersions(version, best)
		better := best == "" || by > 0 || by == 0 && version > best
		if old := doc.Versions[best].deprecated(); best != "" && old != v.deprecated() {
			better = old
		}
		if better {
			best = version
		}
	}
	if best == "" {
		return "", fmt.Errorf("the registry has no release of %s: %w", doc.Name, fetch.ErrNotFound)
	}
	return best, nil
}

// deprecated says that npm would rather have another one. An empty text takes it back.
func (v version) deprecated() bool {
	switch why := v.Deprecated.(type) {
	case string:
		return why != ""
	case bool:
		return why
	}
	return false
}

// words are those of a list, or the one word that stands in its place.
func words(v any) (all []string) {
	switch v := v.(type) {
	case string:
		if v != "" {
			all = append(all, v)
		}
	case []any:
		for _, word := range v {
			if text, ok := word.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}
