package ecosystem

import (
	"slices"

	"larder/snapshot"
)

// Denied returns the denial that an artifact falls under, nil for none. A digest may be any that
// names it. Names and versions are compared as their ecosystem spells them.
func Denied(all []snapshot.Denial, ecosystem, project, version string, digests ...string) *snapshot.Denial {
	for i, d := range all {
		switch {
		case !d.SHA256.IsZero():
			if slices.Contains(digests, d.SHA256.String()) {
				return &all[i]
			}
		case d.Ecosystem != "" && d.Ecosystem != ecosystem, Normalize(ecosystem, d.Project) != project:
		case d.Version == "" || sameVersion(ecosystem, d.Version, version):
			return &all[i]
		}
	}
	return nil
}

func sameVersion(name, a, b string) bool {
	if e, ok := Find(name); ok && e.SameVersion != nil {
		return e.SameVersion(a, b)
	}
	return a == b
}
