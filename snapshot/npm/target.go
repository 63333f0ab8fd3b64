package npm

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"larder/snapshot"
)

// ErrTag is wrapped by every error of ParseTag.
var ErrTag = errors.New("not a target")

// Tag is a platform, in npm's words. It is comparable.
type Tag struct {
	cpu  string // process.arch
	libc string // "glibc" or "musl"
}

// cpus are node's names of Linux machines, by Go's.
var cpus = map[string]string{
	"amd64": "x64", "386": "ia32", "arm64": "arm64", "arm": "arm", "ppc64le": "ppc64", "s390x": "s390x", "riscv64": "riscv64", "loong64": "loong64",
}

var libcs = []string{"glibc", "musl"}

// ParseTag reads the tag of a target: linux-x64-glibc.
func ParseTag(text string) (Tag, error) {
	os, rest, _ := strings.Cut(text, "-")
	cpu, libc, _ := strings.Cut(rest, "-")
	known := false
	for _, name := range cpus {
		known = known || name == cpu
	}
	if os != "linux" || !known || !slices.Contains(libcs, libc) {
		return Tag{}, fmt.Errorf("%w: %.60q: write it as linux-x64-glibc or linux-arm64-musl", ErrTag, text)
	}
	return Tag{cpu, libc}, nil
}

// HostTag is the tag of this machine with a C library, "glibc" or "musl"; false where node does not run.
func HostTag(libc string) (Tag, bool) {
	cpu, ok := cpus[runtime.GOARCH]
	return Tag{cpu, libc}, ok
}

// OS, CPU and Libc are what a package's os, cpu and libc are compared with.
func (t Tag) OS() string   { return "linux" }
func (t Tag) CPU() string  { return t.cpu }
func (t Tag) Libc() string { return t.libc }

// String is the form that ParseTag reads.
func (t Tag) String() string { return t.OS() + "-" + t.cpu + "-" + t.libc }

// Row is the row of the target.
func (t Tag) Row() snapshot.Target {
	return snapshot.Target{Format: snapshot.ManifestFormat, Ecosystem: Name, Tag: t.String()}
}
