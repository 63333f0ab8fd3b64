package npm

import (
	"errors"
	"fmt"
	"strings"
)

// maxPackage bounds a package's name: npm's limit for new ones, and together with a scope's mark one
// name of a file.
const maxPackage = 214

// ErrName is wrapped by every error about a name or a version.
var ErrName = errors.New("not a name")

// Project is how a snapshot spells a package, which is one name in its paths: @scope+name for
// @scope/name. No package has a "+" in its name, so each has one spelling.
func Project(pkg string) string {
	if scope, name, ok := strings.Cut(pkg, "/"); ok && strings.HasPrefix(scope, "@") {
		return scope + "+" + name
	}
	return pkg
}

// Package is npm's name of a project.
func Package(project string) string {
	if scope, name, ok := strings.Cut(project, "+"); ok && strings.HasPrefix(scope, "@") {
		return scope + "/" + name
	}
	return project
}

// CheckName takes the names that npm takes of packages, old ones too: each of their parts is one name
// in a path.
func CheckName(pkg string) error {
	if len(pkg) > maxPackage {
		return fmt.Errorf("%.60q is %w of a package: longer than %d bytes", pkg, ErrName, maxPackage)
	}
	name := pkg
	if scoped, ok := strings.CutPrefix(pkg, "@"); ok {
		scope, rest, cut := strings.Cut(scoped, "/")
		if !cut || !isPart(scope) {
			return fmt.Errorf("%q is %w of a package", pkg, ErrName)
		}
		name = rest
	} else if pkg != "" && strings.IndexByte("_-", pkg[0]) >= 0 {
		return fmt.Errorf("%q is %w of a package", pkg, ErrName)
	}
	if lower := strings.ToLower(name); !isPart(name) || lower == "node_modules" || lower == "favicon.ico" {
		return fmt.Errorf("%q is %w of a package", pkg, ErrName)
	}
	return nil
}

// isPart takes what encodeURIComponent leaves as it is, and no name of a hidden file.
func isPart(s string) bool {
	for _, c := range []byte(s) {
		if !isLetterOrDigit(c) && strings.IndexByte("-_.!~*'()", c) < 0 {
			return false
		}
	}
	return s != "" && s[0] != '.'
}

func isLetterOrDigit(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// maxVersion is node-semver's limit less what a path adds to it.
const maxVersion = 200

// CheckVersion takes exact versions as registries have them: three numbers, then a pre-release and
// a build.
func CheckVersion(version string) error {
	rest := version
	for i := range 3 {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 || digits > 16 || i < 2 && !strings.HasPrefix(rest[digits:], ".") {
			return fmt.Errorf("%.60q is %w of a version: not like 1.2.3", version, ErrName)
		}
		if rest = rest[digits:]; i < 2 {
			rest = rest[1:]
		}
	}
	for _, c := range []byte(rest) {
		if !isLetterOrDigit(c) && strings.IndexByte("-.+", c) < 0 {
			return fmt.Errorf("%.60q is %w of a version: not like 1.2.3", version, ErrName)
		}
	}
	if len(version) > maxVersion || rest != "" && rest[0] != '-' && rest[0] != '+' {
		return fmt.Errorf("%.60q is %w of a version: not like 1.2.3", version, ErrName)
	}
	return nil
}
