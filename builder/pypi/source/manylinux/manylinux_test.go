package manylinux_test

import (
	"bytes"
	"debug/elf"
	"os"
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/source/manylinux"
)

func TestNeeds(t *testing.T) {
	for _, c := range []struct {
		library, version string
		glibc            int // -1: refused
	}{
		{"libc.so.6", "GLIBC_2.2.5", 2}, {"libc.so.6", "GLIBC_2.14", 14}, {"libm.so.6", "GLIBC_2.41", 41},
		{"libc.so.6", "GLIBC_ABI_DT_RELR", 36}, {"libc.so.6", "GLIBC_PRIVATE", -1}, {"libc.so.6", "GLIBC_3.0", -1},
		{"libc.so.6", "GLIBC_2.1.1.1", -1}, {"libc.so.6", "GLIBC_2.x", -1}, {"libc.so.6", "GLIBC_", -1}, {"libc.so.6", "", -1},
		{"libstdc++.so.6", "GLIBCXX_3.4", 5}, {"libstdc++.so.6", "GLIBCXX_3.4.9", 12}, {"libstdc++.so.6", "GLIBCXX_3.4.30", 35},
		{"libstdc++.so.6", "GLIBCXX_3.4.99", -1}, {"libstdc++.so.6", "CXXABI_1.3.9", 24}, {"libstdc++.so.6", "CXXABI_LDBL_1.3", 5},
		{"libgcc_s.so.1", "GCC_3.0", 5}, {"libgcc_s.so.1", "GCC_12.0.0", 35},
		{"libpq.so.5", "WHATEVER_1", 0},
	} {
		b := pypitest.ELF{Needed: []string{c.library}, Versions: map[string][]string{c.library: {c.version}}}.Bytes()
		n, err := manylinux.Read(bytes.NewReader(b))
		switch {
		case c.glibc < 0:
			if err == nil || !strings.Contains(err.Error(), "which no policy has") {
				t.Errorf("%s: %v, %v", c.version, n, err)
			}
		case err != nil || n.Glibc != c.glibc || !slices.Equal(n.Libraries, []string{c.library}) || !n.For("x86_64"):
			t.Errorf("%s: %+v, %v", c.version, n, err)
		}
	}
	n, err := manylinux.Read(bytes.NewReader(pypitest.ELF{Needed: []string{"libc.so.6", "libz.so.1"}, Versions: map[string][]string{
		"libc.so.6": {"GLIBC_2.4", "GLIBC_2.34", "GLIBC_2.17"}, "libstdc++.so.6": {"GLIBCXX_3.4.21"},
	}}.Bytes()))
	if err != nil || n.Glibc != 34 || !slices.Equal(n.Libraries, []string{"libc.so.6", "libz.so.1"}) {
		t.Errorf("%+v, %v", n, err)
	}
}

// A real program asks for what it is known to ask for; and files are for one machine.
func TestMachine(t *testing.T) {
	n, err := manylinux.Read(bytes.NewReader(pypitest.ELF{Machine: elf.EM_AARCH64}.Bytes()))
	if err != nil || !n.For("aarch64") || n.For("x86_64") || n.For("sparc") {
		t.Errorf("%+v, %v", n, err)
	}
	sh, err := os.Open("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	defer sh.Close()
	f, err := elf.NewFile(sh)
	if err != nil {
		t.Fatal(err)
	}
	want, err := f.DynString(elf.DT_NEEDED)
	if err != nil {
		t.Fatal(err)
	}
	n, err = manylinux.Read(sh)
	if err != nil || !slices.Equal(n.Libraries, want) || n.Glibc < 2 {
		t.Errorf("%+v, %v", n, err)
	}
}

// What is cut, or has any byte changed, is refused or read, and nothing worse.
func TestHostile(t *testing.T) {
	whole := pypitest.ELF{Needed: []string{"libc.so.6"}, Versions: map[string][]string{"libc.so.6": {"GLIBC_2.14"}}}.Bytes()
	for at := range whole {
		_, _ = manylinux.Read(bytes.NewReader(whole[:at]))
		for _, with := range []byte{0, 0x7f, 0xff} {
			b := bytes.Clone(whole)
			b[at] = with
			_, _ = manylinux.Read(bytes.NewReader(b))
		}
	}
	if _, err := manylinux.Read(bytes.NewReader([]byte("\x7fELF" + strings.Repeat("0", 100)))); err == nil || !strings.Contains(err.Error(), "no sound ELF file") {
		t.Error(err)
	}
}

func TestRename(t *testing.T) {
	for name, want := range map[string]string{
		"demo-1.0-cp311-cp311-linux_x86_64.whl":             "demo-1.0-cp311-cp311-manylinux_2_17_x86_64.whl",
		"demo-1.0-1-cp38-abi3-manylinux_2_34_x86_64.whl":    "demo-1.0-1-cp38-abi3-manylinux_2_17_x86_64.whl",
		"demo-1.0-py2.py3-none-manylinux1_x86_64.linux.whl": "demo-1.0-py2.py3-none-manylinux_2_17_x86_64.whl",
	} {
		if got := manylinux.Rename(name, "manylinux_2_17_x86_64"); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	const text = "Wheel-Version: 1.0\nGenerator: x (1-2)\nTag: cp311-cp311-linux_x86_64\ntag:cp311-cp311-manylinux1_x86_64\nTag: py3-none-any"
	const want = "Wheel-Version: 1.0\nGenerator: x (1-2)\nTag: cp311-cp311-manylinux_2_17_x86_64\nTag: py3-none-manylinux_2_17_x86_64\n"
	if got := manylinux.Retag(text, "manylinux_2_17_x86_64"); got != want {
		t.Errorf("%q", got)
	}
}
