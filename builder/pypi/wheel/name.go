package wheel

import (
	"fmt"
	"strings"

	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// Name is what a wheel's file name says (PEP 427 and its successors):
// project-version(-build)?-python-abi-platform.whl.
type Name struct {
	Project  string // normalised, as PEP 503 does
	Version  string // as written, but readable by pep440.Parse
	Build    string // "" or a digit and more
	Python   []string
	ABI      []string
	Platform []string
}

// ParseName reads a wheel's file name. Old names are accepted where pip does:
// upper case and dots in the project, "_" for "-" in the version. The errors are
// *Refusal.
func ParseName(filename string) (Name, error) {
	var n Name
	bad := func(format string, args ...any) (Name, error) {
		return Name{}, &Refusal{File: filename, Rule: fmt.Sprintf(format, args...)}
	}
	stem, ok := strings.CutSuffix(filename, ".whl")
	if !ok {
		return bad("is not named .whl")
	}
	if len(filename) > 255 {
		return bad("has a name longer than 255 bytes")
	}
	parts := strings.Split(stem, "-")
	if len(parts) != 5 && len(parts) != 6 {
		return bad("is not named project-version(-build)-python-abi-platform.whl")
	}
	// An index page may write "+" as %2B; whoever passes a name on must decode it.
	for i, part := range parts {
		if part == "" || strings.Trim(part, nameBytes) != "" || i != 1 && strings.ContainsAny(part, "+!") {
			return bad("has %s in its name", Quote(part))
		}
	}
	if !pep508.ValidName(parts[0]) {
		return bad("has the project %s in its name", Quote(parts[0]))
	}
	n.Project = pep508.Normalize(parts[0])
	n.Version = parts[1]
	if _, err := pep440.Parse(n.Version); err != nil {
		n.Version = strings.ReplaceAll(n.Version, "_", "-")
		if _, err := pep440.Parse(n.Version); err != nil {
			return bad("has the version %s in its name", Quote(parts[1]))
		}
	}
	if len(parts) == 6 {
		n.Build = parts[2]
		if n.Build[0] < '0' || n.Build[0] > '9' {
			return bad("has the build %s in its name, which must begin with a digit", Quote(n.Build))
		}
	}
	tags := parts[len(parts)-3:]
	for i, set := range []*[]string{&n.Python, &n.ABI, &n.Platform} {
		*set = strings.Split(tags[i], ".")
		for _, tag := range *set {
			if tag == "" {
				return bad("has the tag %s in its name", Quote(tags[i]))
			}
		}
	}
	return n, nil
}

const nameBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+!"
