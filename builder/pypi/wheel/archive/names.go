package archive

import (
	"fmt"
	"path"
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Bounds of a name: what Linux file systems take in one component, and well
// below PATH_MAX for the whole, since a prefix is still to come. The depth is what
// one entry may cost in directories, each of which is an inode of the image.
const (
	maxComponent = 255
	maxName      = 1024
	maxDepth     = 128
)

// Unix mode bits in the upper half of the external attributes.
const (
	modeType    = 0o170000
	modeRegular = 0o100000
	modeDir     = 0o040000
	modeLink    = 0o120000
)

// cleanName is where an installer puts what has this name: it leaves out "./" at the
// front, and the slash that makes a directory.
func cleanName(name string) string {
	return strings.TrimSuffix(strings.TrimPrefix(name, "./"), "/")
}

// checkName says what is wrong with a name, or "".
func checkName(name string) string {
	trimmed := cleanName(name)
	switch {
	case name == "":
		return "has an empty name"
	case strings.IndexFunc(name, isControl) >= 0:
		return "has a control character"
	case name == "./": // some tools write an entry for the top
		return ""
	case strings.HasPrefix(name, "/") || strings.HasPrefix(trimmed, "/"):
		return "has an absolute name"
	case strings.Contains(name, `\`):
		return "has a backslash in its name"
	case len(trimmed) >= 2 && trimmed[1] == ':' && isLetter(trimmed[0]):
		return "has a drive letter in its name"
	case len(name) > maxName:
		return "has a name longer than 1024 bytes"
	}
	parts := strings.Split(trimmed, "/")
	if len(parts) > maxDepth {
		return fmt.Sprintf("is more than %d directories deep, each of which takes room in every snapshot", maxDepth)
	}
	for _, part := range parts {
		switch {
		case part == "..":
			return `has a ".." in its name`
		case len(part) > maxComponent:
			return "has a name component longer than 255 bytes"
		case strings.HasPrefix(part, ".wh."):
			// To a container engine that is the removal of a file.
			return "has a whiteout name (.wh.)"
		}
	}
	if trimmed == "." || path.Clean(trimmed) != trimmed {
		return "has a name that is not canonical"
	}
	return ""
}

// isControl covers \p{C} (control, format, private use, surrogates) and the two
// line separators, which Python's splitlines treats as ends of a RECORD line.
func isControl(r rune) bool {
	return r < 0x20 || r >= 0x7f && (unicode.Is(unicode.C, r) || r == '\u2028' || r == '\u2029')
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// checkNames applies every rule about names and kinds of entries, alone and
// against each other, and notes the case collisions.
func checkNames(a *Archive, entries []entry, limits Limits) error {
	seen := make(map[string]bool, len(entries)) // name without slash -> is a directory
	folded := make(map[string]string, len(entries))
	fold := cases.Fold()
	for i := range entries {
		e := &entries[i]
		if rule := checkName(e.name); rule != "" {
			return refuseEntry(e.name, "%s", rule)
		}
		switch kind := e.mode & modeType; {
		case kind == modeLink:
			return refuseEntry(e.name, "is a symbolic link")
		case kind == modeDir && !e.isDir():
			return refuseEntry(e.name, "is a directory by its mode and a file by its name")
		case kind != 0 && kind != modeRegular && kind != modeDir:
			return refuseEntry(e.name, "is a device, socket or FIFO (mode %06o)", e.mode)
		}
		name := cleanName(e.name)
		if dir, ok := seen[name]; ok {
			if dir && e.isDir() {
				return refuseEntry(e.name, "occurs twice")
			}
			if dir != e.isDir() {
				return refuseEntry(e.name, "is a file and a directory")
			}
			return refuseEntry(e.name, "occurs twice")
		}
		seen[name] = e.isDir()
		key := name
		if !isASCII(name) {
			key = norm.NFKC.String(name)
		}
		if other, ok := folded["n"+key]; ok {
			return refuseEntry(e.name, "equals %s after Unicode normalisation", Quote(other))
		}
		folded["n"+key] = name
		if e.isDir() {
			continue
		}
		lower := "f" + foldCase(fold, key)
		if _, ok := folded[lower]; ok {
			a.CaseCollisions = append(a.CaseCollisions, name)
		}
		folded[lower] = name
	}
	// A file may not be another entry's directory.
	for i := range entries {
		name := cleanName(entries[i].name)
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			isDir, ok := seen[dir]
			if ok && !isDir {
				return refuseEntry(dir, "is a file and a directory")
			}
			if ok {
				break // its own parents are checked with it
			}
			seen[dir] = true
		}
		if len(seen) > limits.Files { // a short name can imply many
			return refuse("has more than %d files and directories", limits.Files)
		}
	}
	return nil
}

// foldCase is for comparing only; the common case does not pay for Unicode.
func foldCase(fold cases.Caser, s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return fold.String(s)
}
