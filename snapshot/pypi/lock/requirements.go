package lock

import (
	"larder/snapshot"
	"larder/snapshot/pypi/pep440"
)

// Requirements are the lock's pins in the store's words.
func (l *Lock) Requirements() *snapshot.Requirements {
	r := &snapshot.Requirements{Digest: l.Digest(), LeftOut: l.LeftOut}
	for _, p := range l.Pins {
		pin := snapshot.Pin{Name: p.Name, Version: p.Version, Digests: p.Hashes, File: p.File, Line: p.Line}
		if !p.SdistOnly {
			pin.Spellings = spellings(p.Version)
		}
		r.Pins = append(r.Pins, pin)
	}
	return r
}

// spellings are the version as the lock has it, then as the build does: "1.0" and "1.0.0" are one.
func spellings(version string) []string {
	if v, err := pep440.Parse(version); err == nil && v.Canonical() != version {
		return []string{version, v.Canonical()}
	}
	return []string{version}
}
