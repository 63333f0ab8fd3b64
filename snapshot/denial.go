package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Denial names what may not be stocked: a project, one version of it, or one artifact. It is kept
// until it is taken back.
type Denial struct {
	Ecosystem string `json:"ecosystem,omitempty"` // "" is every one that has such a project
	Project   string `json:"project,omitempty"`
	Version   string `json:"version,omitempty"` // "" is every version
	SHA256    Digest `json:"sha256,omitzero"`   // of an artifact; then the others are empty

	Reason string    `json:"reason,omitempty"`
	Time   time.Time `json:"time"`
}

// Name is what is denied, as revoke takes it.
func (d Denial) Name() string {
	switch {
	case !d.SHA256.IsZero():
		return d.SHA256.String()
	case d.Ecosystem != "":
		return PackageURL(d.Ecosystem, d.Project, d.Version)
	case d.Version != "":
		return d.Project + "==" + d.Version
	}
	return d.Project
}

// String is the name and the reason.
func (d Denial) String() string {
	if d.Reason == "" {
		return d.Name()
	}
	return d.Name() + " (" + d.Reason + ")"
}

// CutVersion reads PROJECT, PROJECT==VERSION, and PROJECT@VERSION, as some clients write it. No project
// has an "@" within its name; one at its front is of a scope.
func CutVersion(text string) (project, version string, exact bool) {
	if project, version, exact = strings.Cut(text, "=="); !exact {
		if at := strings.LastIndexByte(text, '@'); at > 0 {
			project, version, exact = text[:at], text[at+1:], true
		}
	}
	return strings.TrimSpace(project), strings.TrimSpace(version), exact
}

// ParseDenial reads PROJECT, PROJECT==VERSION, PROJECT@VERSION, a package url or the SHA-256 of an artifact.
func ParseDenial(text string) (d Denial, err error) {
	if d.SHA256, err = ParseDigest(strings.ToLower(text)); err == nil {
		return d, nil
	}
	if IsPackageURL(text) {
		if d.Ecosystem, d.Project, d.Version, err = ParsePackageURL(text); err == nil && (!isPlainName(d.Project) || d.Version != "" && !isPlainName(d.Version)) {
			err = fmt.Errorf("%q names no package that could be stocked", clip(text))
		}
		return d, err
	}
	project, version, exact := CutVersion(text)
	d = Denial{Project: project, Version: version}
	if !isPlainName(d.Project) || strings.LastIndexByte(d.Project, '@') > 0 || exact && !isPlainName(d.Version) {
		return d, fmt.Errorf("%q is no PROJECT, PROJECT==VERSION, package url or SHA-256", clip(text))
	}
	return d, nil
}

// isPlainName takes names of projects and versions of every ecosystem, and no ranges, patterns or
// addresses.
func isPlainName(s string) bool {
	return s != "" && len(s) <= 200 && strings.Trim(s[:1], "-.") != "" &&
		!strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>=~*?[](){},;:!'"\|&$`, r) })
}

const maxDenials = 16 << 20 // 100,000 of them

// Denials are all that are kept, the oldest first. A list that cannot be read is an error
// (ErrDamaged): to go on without it would stock what was denied.
func (s *Store) Denials() ([]Denial, error) {
	var list struct {
		Denied []Denial `json:"denied"`
	}
	b, err := readSmall(s.join(deniedName), maxDenials)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return nil, &problem{kind: ErrDamaged, msg: "what was revoked cannot be read", err: err,
			hint: "restore " + s.join(deniedName) + ", or remove it and revoke again what it named"}
	}
	return list.Denied, nil
}

// PutDenials keeps a list of denials, durably, instead of the one that there was. The caller holds
// the writer lock.
func (s *Store) PutDenials(all []Denial) error {
	b, err := json.MarshalIndent(map[string][]Denial{"denied": slices.Concat([]Denial{}, all)}, "", " ")
	if err == nil {
		err = s.putFile(s.join(deniedName), append(b, '\n'))
	}
	if err != nil {
		return spaceError("keep what was revoked", s.dir, int64(len(b)), err)
	}
	return nil
}
