package misses

import (
	"cmp"
	"slices"
	"strings"

	"larder/popularity"
)

// The kinds of evidence for a miss.
const (
	Downloaded = "downloaded" // in a client's download cache
	Built      = "built"      // a wheel built on the spot: the index has none that fits
	Installed  = "installed"  // in an environment
	Missing    = "missing"    // named by a lock, and not in the snapshot
)

// Miss is one project and version a container had to fetch itself. Python is
// its minor version, "3.11", where the evidence says.
type Miss struct {
	Project string `json:"project"`
	Version string `json:"version"`
	Python  string `json:"python,omitempty"`
	Kind    string `json:"kind"`
}

// valid returns the miss with its name normalised, or false. It is asked both
// of what comes from an upper and of what is read back from a log.
func (m Miss) valid() (Miss, bool) {
	name, ok := popularity.Normalize(m.Project)
	m.Project = name
	switch m.Kind {
	case Downloaded, Built, Installed, Missing:
	default:
		ok = false
	}
	if m.Python != "" && pythonOf("cp"+strings.Replace(m.Python, ".", "", 1)) != m.Python {
		m.Python = ""
	}
	return m, ok && popularity.ValidVersion(m.Version)
}

func compare(a, b Miss) int {
	return cmp.Or(strings.Compare(a.Project, b.Project), strings.Compare(a.Version, b.Version), strings.Compare(a.Python, b.Python), strings.Compare(a.Kind, b.Kind))
}

// fromWheel reads a wheel's file name: name-version[-build]-python-abi-platform.
func fromWheel(file, kind string) (Miss, bool) {
	base, ok := strings.CutSuffix(file, ".whl")
	parts := strings.Split(base, "-")
	if !ok || len(parts) != 5 && len(parts) != 6 {
		return Miss{}, false
	}
	return Miss{parts[0], parts[1], pythonOf(parts[len(parts)-3]), kind}.valid()
}

// fromUV reads the name of a pointer of uv's, <version>-<python>-<abi>-<platform>.http,
// in a directory named for the project.
func fromUV(project, file string) (Miss, bool) {
	key, ok := strings.CutSuffix(file, ".http")
	version, tags, _ := strings.Cut(key, "-")
	python, _, _ := strings.Cut(tags, "-")
	if !ok {
		return Miss{}, false
	}
	return Miss{project, version, pythonOf(python), Downloaded}.valid()
}

// fromDistInfo reads a directory name, Name-Version.dist-info.
func fromDistInfo(dir, python string) (Miss, bool) {
	base, ok := strings.CutSuffix(dir, ".dist-info")
	project, version, dashed := strings.Cut(base, "-")
	if !ok || !dashed {
		return Miss{}, false
	}
	return Miss{project, version, python, Installed}.valid()
}

// fromHeaders reads what the index's file host says of the file it sends.
func fromHeaders(h map[string]string) (Miss, bool) {
	return Miss{h["project"], h["version"], pythonOf(h["python-version"]), Downloaded}.valid()
}

// pythonOf turns a Python tag into a minor version: cp311 is 3.11; py3, and
// whatever else does not name one, is "".
func pythonOf(tag string) string {
	digits, ok := strings.CutPrefix(tag, "cp")
	if !ok || len(digits) < 2 || len(digits) > 3 || digits[0] < '2' || digits[0] > '4' {
		return ""
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return ""
		}
	}
	return digits[:1] + "." + digits[1:]
}

// sorted returns the misses in one order, each once.
func sorted(found map[Miss]bool) []Miss {
	out := make([]Miss, 0, len(found))
	for m := range found {
		out = append(out, m)
	}
	slices.SortFunc(out, compare)
	return out
}
