package pypi

import (
	"strconv"
	"strings"
	"sync"
)

// WheelTag is one triple of a wheel's name.
type WheelTag struct{ Python, ABI, Platform string }

// String is the triple as it stands in a wheel's name.
func (t WheelTag) String() string { return t.Python + "-" + t.ABI + "-" + t.Platform }

// Supported is every tag the target accepts, pip's most preferred first
// (packaging.tags.sys_tags). A target has about a thousand.
func (t Tag) Supported() []WheelTag {
	cp, platforms := t.python(t.minor), t.platforms()
	var list []WheelTag
	add := func(python, abi string) {
		for _, p := range platforms {
			list = append(list, WheelTag{python, abi, p})
		}
	}
	stable := "abi3"
	if t.freeThreaded {
		stable = "abi3t"
	}
	add(cp, t.abi())
	add(cp, stable)
	add(cp, "none")
	for minor := t.minor - 1; minor >= 2; minor-- { // the stable ABI began with 3.2
		add(t.python(minor), stable)
	}
	pure := []string{"py3" + strconv.Itoa(t.minor), "py3"}
	for minor := t.minor - 1; minor >= 0; minor-- {
		pure = append(pure, "py3"+strconv.Itoa(minor))
	}
	for _, py := range pure {
		add(py, "none")
	}
	list = append(list, WheelTag{cp, "none", "any"})
	for _, py := range pure {
		list = append(list, WheelTag{py, "none", "any"})
	}
	return list
}

func (t Tag) python(minor int) string { return "cp3" + strconv.Itoa(minor) }

func (t Tag) abi() string {
	if t.freeThreaded {
		return t.python(t.minor) + "t"
	}
	return t.python(t.minor)
}

func (t Tag) platform(minor int) string {
	return t.libc + "_" + strconv.Itoa(t.libcMajor) + "_" + strconv.Itoa(minor) + "_" + t.arch
}

// tooOldGlibc is the newest minor version of glibc 2 that has no tag any more.
func (t Tag) tooOldGlibc() int {
	if t.arch == "x86_64" || t.arch == "i686" {
		return 4
	}
	return 16
}

// platforms lists the platform parts, newest C library first.
func (t Tag) platforms() []string {
	list := []string{"linux_" + t.arch}
	last := -1
	if t.libc == "manylinux" {
		last = t.tooOldGlibc()
	}
	for minor := t.libcMinor; minor > last; minor-- {
		list = append(list, t.platform(minor))
		if t.libc == "manylinux" {
			for alias, name := range aliases {
				if name == "manylinux_2_"+strconv.Itoa(minor) {
					list = append(list, alias+"_"+t.arch)
				}
			}
		}
	}
	if t.minor < 10 { // pip before 26.3, see the package comment
		list = append(list[1:], list[0])
	}
	return list
}

// ranks holds the index of every supported tag in Supported, by target: a build ranks
// a hundred thousand wheels for a handful of targets.
var ranks sync.Map // Tag -> map[WheelTag]int

// Rank is the index in Supported of the best of a wheel's tags, which are all
// combinations of the three sets in its name. Lower is better; false means that
// the target does not accept the wheel.
func (t Tag) Rank(python, abi, platform []string) (int, bool) {
	cached, ok := ranks.Load(t)
	if !ok {
		index := make(map[WheelTag]int)
		for i, tag := range t.Supported() {
			index[tag] = i
		}
		cached, _ = ranks.LoadOrStore(t, index)
	}
	index := cached.(map[WheelTag]int)
	best, found := 0, false
	for _, py := range python {
		for _, a := range abi {
			for _, p := range platform {
				i, ok := index[WheelTag{strings.ToLower(py), strings.ToLower(a), strings.ToLower(p)}]
				if ok && (!found || i < best) {
					best, found = i, true
				}
			}
		}
	}
	return best, found
}

// CompareBuild orders the build parts of two wheel names ("" when there is none)
// as pip does between wheels of equal rank: the higher one is preferred. A part
// is a number and text after it; no part is below every other.
func CompareBuild(a, b string) int {
	if a == "" || b == "" {
		return len(a) - len(b)
	}
	an, at := splitBuild(a)
	bn, bt := splitBuild(b)
	if len(an) != len(bn) {
		return len(an) - len(bn)
	}
	if c := strings.Compare(an, bn); c != 0 {
		return c
	}
	return strings.Compare(at, bt)
}

// splitBuild cuts the digits off a build part, without their leading zeros.
func splitBuild(s string) (digits, rest string) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return strings.TrimLeft(s[:n], "0"), s[n:]
}
