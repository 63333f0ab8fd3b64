package pypi

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrTag is wrapped by every error of ParseTag.
var ErrTag = errors.New("not a target")

// Tag is an interpreter on a platform. It is comparable; equal tags accept
// the same wheels.
type Tag struct {
	minor        int    // of Python 3
	freeThreaded bool   // the cp313t kind
	libc         string // "manylinux" or "musllinux"
	libcMajor    int
	libcMinor    int
	arch         string
}

const (
	oldestPython = 8 // cp37 and before have another ABI suffix ("cp37m") and no user left
	tagForm      = "write it as cp311-manylinux_2_36_x86_64 or cp312-musllinux_1_2_aarch64"
)

// arches are the machines with a manylinux or musllinux policy (PEP 600, 656 and
// auditwheel's later additions), as `uname -m` prints them.
var arches = [...]string{"x86_64", "aarch64", "i686", "armv7l", "ppc64le", "s390x", "riscv64", "loongarch64"}

// aliases are the platform names from before PEP 600.
var aliases = map[string]string{"manylinux1": "manylinux_2_5", "manylinux2010": "manylinux_2_12", "manylinux2014": "manylinux_2_17"}

// ParseTag reads the tag of a target. The error says what is wrong with it and how to write it.
func ParseTag(text string) (Tag, error) {
	bad := func(format string, args ...any) (Tag, error) {
		return Tag{}, fmt.Errorf("%w: %q: %s", ErrTag, text, fmt.Sprintf(format, args...))
	}
	if len(text) > 64 {
		text = text[:64]
		return bad("too long: %s", tagForm)
	}
	python, platform, ok := strings.Cut(text, "-")
	if !ok {
		return bad("needs an interpreter and a platform: %s", tagForm)
	}
	if abi, rest, ok := strings.Cut(platform, "-"); ok {
		return bad("has an ABI part (%s): write %s-%s", abi, python, rest)
	}
	var t Tag
	digits, ok := strings.CutPrefix(python, "cp")
	if !ok {
		return bad("interpreter %q is not CPython: %s", python, tagForm)
	}
	digits, t.freeThreaded = strings.CutSuffix(digits, "t")
	minor, ok := strings.CutPrefix(digits, "3")
	if !ok || !number(minor, &t.minor) || t.minor > 99 {
		return bad("interpreter %q is no version of CPython 3: %s", python, tagForm)
	}
	if t.minor < oldestPython {
		return bad("CPython 3.%d is too old, the oldest is 3.%d", t.minor, oldestPython)
	}
	if t.freeThreaded && t.minor < 13 {
		return bad("there is no free-threaded CPython 3.%d, the first is 3.13", t.minor)
	}
	for _, a := range arches {
		if p, ok := strings.CutSuffix(platform, "_"+a); ok {
			t.arch, platform = a, p
			break
		}
	}
	if t.arch == "" {
		return bad("platform %q does not end in a machine, one of %s: %s", platform, strings.Join(arches[:], ", "), tagForm)
	}
	if to, ok := aliases[platform]; ok {
		return bad("%s is an old name: write %s-%s_%s", platform, python, to, t.arch)
	}
	parts := strings.Split(platform, "_")
	if parts[0] == "linux" {
		return bad("linux names no C library: write the version of glibc or musl, %s", tagForm)
	}
	if len(parts) != 3 || (parts[0] != "manylinux" && parts[0] != "musllinux") ||
		!number(parts[1], &t.libcMajor) || !number(parts[2], &t.libcMinor) || t.libcMinor > 999 {
		return bad("platform %q is neither manylinux_2_NN nor musllinux_1_N: %s", platform, tagForm)
	}
	t.libc = parts[0]
	if t.libc == "manylinux" && (t.libcMajor != 2 || t.libcMinor <= t.tooOldGlibc()) {
		return bad("glibc %d.%d: the oldest for %s is 2.%d, and there is no glibc 3", t.libcMajor, t.libcMinor, t.arch, t.tooOldGlibc()+1)
	}
	if t.libc == "musllinux" && t.libcMajor != 1 {
		return bad("musl %d.%d: there is only musl 1", t.libcMajor, t.libcMinor)
	}
	return t, nil
}

// number reads a decimal number of at most three digits without leading zeros.
func number(s string, n *int) bool {
	if s == "" || len(s) > 3 || (s[0] == '0' && s != "0") {
		return false
	}
	u, err := strconv.ParseUint(s, 10, 16)
	*n = int(u)
	return err == nil
}

// IsZero tells whether t is the zero value, which names no target.
func (t Tag) IsZero() bool { return t == Tag{} }

// String is the form that ParseTag reads.
func (t Tag) String() string { return t.abi() + "-" + t.platform(t.libcMinor) }

// MarshalText makes a tag readable in JSON.
func (t Tag) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is ParseTag.
func (t *Tag) UnmarshalText(text []byte) error {
	parsed, err := ParseTag(string(text))
	*t = parsed
	return err
}

// Python is the version as in lib/python3.11: "3.11", without a "t" for the
// free-threaded kind.
func (t Tag) Python() string { return "3." + strconv.Itoa(t.minor) }

// FreeThreaded tells whether the interpreter is built without the global lock;
// its library directory is then lib/python3.13t.
func (t Tag) FreeThreaded() bool { return t.freeThreaded }

// Machine is the machine as `uname -m` prints it, such as x86_64.
func (t Tag) Machine() string { return t.arch }

// Glibc is the X of the target's glibc 2.X; false where its C library is another.
func (t Tag) Glibc() (x int, ok bool) { return t.libcMinor, t.libc == "manylinux" }

// Platform is the tag of wheels for the target's machine with glibc 2.x, or with the oldest that has a
// tag where x is older.
func (t Tag) Platform(x int) string { return t.platform(max(x, t.tooOldGlibc()+1)) }

// Markers is the environment in which PEP 508 markers hold for this target.
// fullVersion is the interpreter's version ("3.11.7"); when it is "", the first
// release of the minor version is assumed. What differs from host to host and no
// package should ask for, the kernel's release and version, is empty.
func (t Tag) Markers(fullVersion string) map[string]string {
	if fullVersion == "" {
		fullVersion = t.Python() + ".0"
	}
	return map[string]string{
		"os_name":                        "posix",
		"sys_platform":                   "linux",
		"platform_machine":               t.arch,
		"platform_system":                "Linux",
		"platform_release":               "",
		"platform_version":               "",
		"python_version":                 t.Python(),
		"python_full_version":            fullVersion,
		"implementation_name":            "cpython",
		"implementation_version":         fullVersion,
		"platform_python_implementation": "CPython",
	}
}
