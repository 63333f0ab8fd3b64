package wheel

import (
	"archive/zip"
	"fmt"
	"path"
	"strings"
	"unicode"

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
// against each other.
func checkNames(entries []*zip.File, most int) error {
	dirs := make(map[string]bool, len(entries))     // name without slash -> is a directory
	normal := make(map[string]string, len(entries)) // normalised -> name
	for _, e := range entries {
		if err := checkKind(e); err != nil {
			return err
		}
		name := cleanName(e.Name)
		if dir, ok := dirs[name]; ok {
			if dir != isDir(e) {
				return refuseEntry(e.Name, "is a file and a directory")
			}
			return refuseEntry(e.Name, "occurs twice")
		}
		dirs[name] = isDir(e)
		key := norm.NFKC.String(name)
		if other, ok := normal[key]; ok {
			return refuseEntry(e.Name, "equals %s after Unicode normalisation", Quote(other))
		}
		normal[key] = name
	}
	// A file may not be another entry's directory.
	for _, e := range entries {
		for dir := path.Dir(cleanName(e.Name)); dir != "."; dir = path.Dir(dir) {
			isDir, ok := dirs[dir]
			if ok && !isDir {
				return refuseEntry(dir, "is a file and a directory")
			}
			if ok {
				break // its own parents are checked with it
			}
			dirs[dir] = true
		}
		if len(dirs) > most { // a short name can imply many
			return refuse("has more than %d files and directories", most)
		}
	}
	return nil
}

// checkKind applies the rules about one entry's name and kind.
func checkKind(e *zip.File) error {
	if rule := checkName(e.Name); rule != "" {
		return refuseEntry(e.Name, "%s", rule)
	}
	mode := e.ExternalAttrs >> 16
	switch kind := mode & modeType; {
	case kind == modeLink:
		return refuseEntry(e.Name, "is a symbolic link")
	case kind == modeDir && !isDir(e):
		return refuseEntry(e.Name, "is a directory by its mode and a file by its name")
	case kind != 0 && kind != modeRegular && kind != modeDir:
		return refuseEntry(e.Name, "is a device, socket or FIFO (mode %06o)", mode)
	}
	return nil
}
