package tarball

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a name: what Linux file systems take in one component, and well below PATH_MAX for the
// whole, since node_modules and what it lies in are still to come. The depth is what one entry may cost in
// directories, each of which is an inode of the image.
const (
	maxComponent = 255
	maxName      = 1024
	maxDepth     = 128
)

// strip takes the first part off a name, as npm does, and "." and empty parts out of the rest, which
// published packages have ("package/./lib/index.js"). What is left may be nothing: the package's own
// directory, or something beside it.
func strip(name string) string {
	_, rest, _ := strings.Cut(name, "/")
	return path.Clean("/" + rest)[1:]
}

// checkName says what is wrong with a name, or "". Where the archive's is good, so is what strip leaves.
func checkName(name string) string {
	trimmed := strings.TrimSuffix(name, "/")
	switch {
	case name == "":
		return "has an empty name"
	case !utf8.ValidString(name):
		return "has a name that is not UTF-8"
	case strings.ContainsFunc(name, isControl):
		return "has a control character in its name"
	case name[0] == '/':
		return "has an absolute name"
	case strings.Contains(name, `\`):
		return "has a backslash in its name"
	case len(name) > maxName:
		return fmt.Sprintf("has a name longer than %d bytes", maxName)
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
			return fmt.Sprintf("has a name component longer than %d bytes", maxComponent)
		case strings.HasPrefix(part, ".wh."):
			return "has a whiteout name (.wh.)" // to a container engine that is the removal of a file
		}
	}
	if rest := strip(name); len(rest) >= 2 && rest[1] == ':' && isLetter(rest[0]) {
		return "has a drive letter in its name" // which npm leaves out
	}
	return ""
}

func isControl(r rune) bool { return unicode.Is(unicode.Cc, r) || r == '\u2028' || r == '\u2029' }

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
