package manylinux

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// libraries are those that any container with glibc has.
var libraries = []string{
	"libc.so.6", "libm.so.6", "libmvec.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libresolv.so.2", "libanl.so.1",
	"libgcc_s.so.1", "libstdc++.so.6",
	// The loaders of pypi.Tag's machines.
	"ld-linux-x86-64.so.2", "ld-linux.so.2", "ld-linux-aarch64.so.1", "ld-linux-armhf.so.3", "ld64.so.2", "ld64.so.1",
	"ld-linux-riscv64-lp64d.so.1", "ld-linux-loongarch-lp64d.so.1",
}

// Allowed says whether any container with glibc has a library.
func Allowed(library string) bool { return slices.Contains(libraries, library) }

// version is a number such as 3.4.30, its first parts.
type version [3]int

func (v version) after(o version) bool { return slices.Compare(v[:], o[:]) > 0 }

// runtimes are the newest versions of the compiler's runtime beside a glibc 2.X: of libstdc++ (GLIBCXX and
// CXXABI) and of libgcc_s (GCC). One that is not listed has those of the one before.
var runtimes = []struct {
	glibc                int
	glibcxx, cxxabi, gcc version
}{
	{5, version{3, 4, 8}, version{1, 3, 1}, version{4, 2}},
	{12, version{3, 4, 13}, version{1, 3, 3}, version{4, 5}},
	{17, version{3, 4, 19}, version{1, 3, 7}, version{4, 8}},
	{24, version{3, 4, 22}, version{1, 3, 10}, version{4, 8}},
	{27, version{3, 4, 24}, version{1, 3, 11}, version{7}},
	{31, version{3, 4, 28}, version{1, 3, 12}, version{7}},
	{34, version{3, 4, 29}, version{1, 3, 13}, version{11}},
	{35, version{3, 4, 30}, version{1, 3, 13}, version{12}},
	{39, version{3, 4, 33}, version{1, 3, 15}, version{14}},
}

// named are versions without a number, and the glibc beside which they came.
var named = map[string]int{"GLIBC_ABI_DT_RELR": 36, "CXXABI_TM_1": 17, "CXXABI_FLOAT128": 24}

// glibcOf is the X of the oldest glibc 2.X that has a version of a symbol, such as GLIBC_2.14 or
// GLIBCXX_3.4.21, or that comes with what has it.
func glibcOf(text string) (int, error) {
	if x, ok := named[text]; ok {
		return x, nil
	}
	family, number, _ := strings.Cut(text, "_")
	v, ok := parse(strings.TrimPrefix(strings.TrimPrefix(number, "LDBL_"), "ARM_"))
	if ok && family == "GLIBC" && v[0] == 2 {
		return v[1], nil
	}
	for _, r := range runtimes {
		newest, known := map[string]version{"GLIBCXX": r.glibcxx, "CXXABI": r.cxxabi, "GCC": r.gcc}[family]
		if ok && known && !v.after(newest) {
			return r.glibc, nil
		}
	}
	return 0, fmt.Errorf("asks for the version %.80q, which no policy has", text)
}

func parse(text string) (v version, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) > len(v) {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return v, false
		}
		v[i] = int(n)
	}
	return v, true
}
