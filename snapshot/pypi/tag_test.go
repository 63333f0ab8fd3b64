package pypi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func mustTag(t testing.TB, text string) Tag {
	t.Helper()
	target, err := ParseTag(text)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

func TestSupportedIsPipsList(t *testing.T) {
	data, err := os.ReadFile("testdata/supported.txt")
	if err != nil {
		t.Fatal(err)
	}
	digests := 0
	full := map[string][]string{}
	all := ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if target, ok := strings.CutPrefix(line, "all: "); ok {
			all = target
			continue
		}
		if all != "" {
			full[all] = append(full[all], line)
			continue
		}
		digests++
		f := strings.Fields(line)
		got := mustTag(t, f[0]).Supported()
		h := sha256.New()
		for _, tag := range got {
			h.Write([]byte(tag.String() + "\n"))
		}
		if n, _ := strconv.Atoi(f[1]); n != len(got) || hex.EncodeToString(h.Sum(nil)) != f[2] {
			t.Errorf("%s: %d tags, want %d, or they differ", f[0], len(got), n)
		}
	}
	for target, want := range full {
		got := mustTag(t, target).Supported()
		for i := range min(len(got), len(want)) {
			if got[i].String() != want[i] {
				t.Errorf("%s: tag %d is %s, want %s", target, i, got[i], want[i])
				break
			}
		}
	}
	if digests < 19 || len(full) != 3 {
		t.Errorf("case file too small: %d digests, %d lists", digests, len(full))
	}
}

func TestBadTargetsSayTheRightForm(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "needs an interpreter and a platform",
		"cp311":                              "cp311-manylinux_2_36_x86_64",
		"python3.11":                         "needs an interpreter",
		"3.11-manylinux_2_36_x86_64":         "is not CPython",
		"pp310-manylinux_2_36_x86_64":        "is not CPython",
		"py3-manylinux_2_36_x86_64":          "is not CPython",
		"cp-manylinux_2_36_x86_64":           "no version of CPython 3",
		"cp27-manylinux_2_36_x86_64":         "no version of CPython 3",
		"cp3-manylinux_2_36_x86_64":          "no version of CPython 3",
		"cp3011-manylinux_2_36_x86_64":       "no version of CPython 3",
		"cp37-manylinux_2_36_x86_64":         "the oldest is 3.8",
		"cp312t-manylinux_2_36_x86_64":       "the first is 3.13",
		"cp311-cp311-manylinux_2_36_x86_64":  "write cp311-manylinux_2_36_x86_64",
		"cp311-linux_x86_64":                 "names no C library",
		"cp311-manylinux2014_x86_64":         "write cp311-manylinux_2_17_x86_64",
		"cp311-manylinux1_i686":              "write cp311-manylinux_2_5_i686",
		"cp311-manylinux_2_36":               "does not end in a machine",
		"cp311-manylinux_2_36_amd64":         "does not end in a machine",
		"cp311-win_amd64":                    "does not end in a machine",
		"cp311-macosx_11_0_arm64":            "does not end in a machine",
		"cp311-manylinux_2_x86_64":           "neither manylinux_2_NN",
		"cp311-manylinux_2_036_x86_64":       "neither manylinux_2_NN",
		"cp311-manylinux_3_1_x86_64":         "there is no glibc 3",
		"cp311-manylinux_2_4_x86_64":         "the oldest for x86_64 is 2.5",
		"cp311-manylinux_2_16_aarch64":       "the oldest for aarch64 is 2.17",
		"cp311-musllinux_2_1_x86_64":         "there is only musl 1",
		"CP311-manylinux_2_36_x86_64":        "is not CPython",
		"cp311-manylinux_2_36_x86_64\n":      "does not end in a machine",
		"cp311-../../etc_x86_64":             "neither manylinux_2_NN",
		strings.Repeat("cp311-", 100):        "too long",
		"cp311-manylinux_2_65537_x86_64":     "neither manylinux_2_NN",
		"cp311t-manylinux_2_36_x86_64":       "no free-threaded",
		"cp311-manylinux_2_36_2_36_x86_64":   "neither manylinux_2_NN",
		"cp311-manylinux_2_36_x86_64-x86_64": "has an ABI part",
	} {
		target, err := ParseTag(text)
		if !errors.Is(err, ErrTag) || !target.IsZero() {
			t.Errorf("%.40q: %v, %v", text, target, err)
			continue
		}
		if msg := err.Error(); !strings.Contains(msg, want) || strings.Contains(msg, "\n") || len(msg) > 300 {
			t.Errorf("%.40q: %q, want %q", text, msg, want)
		}
	}
}

func TestTargetRoundTrip(t *testing.T) {
	for _, text := range []string{"cp311-manylinux_2_36_x86_64", "cp38-manylinux_2_17_aarch64", "cp313t-musllinux_1_2_aarch64", "cp314-manylinux_2_5_i686"} {
		target := mustTag(t, text)
		if target.String() != text {
			t.Errorf("%s prints as %s", text, target)
		}
		data, err := json.Marshal(target)
		var again Tag
		if err == nil {
			err = json.Unmarshal(data, &again)
		}
		if err != nil || again != target {
			t.Errorf("%s: %s, %v, %v", text, data, again, err)
		}
	}
	target := mustTag(t, "cp313t-musllinux_1_2_aarch64")
	if target.Python() != "3.13" || !target.FreeThreaded() {
		t.Errorf("python %s, free-threaded %v", target.Python(), target.FreeThreaded())
	}
}

func TestRankIsThePlaceOfTheBestTag(t *testing.T) {
	target := mustTag(t, "cp311-manylinux_2_36_x86_64")
	supported := target.Supported()
	rank := func(name string) (int, bool) {
		f := strings.Split(name, "-")
		return target.Rank(strings.Split(f[0], "."), strings.Split(f[1], "."), strings.Split(f[2], "."))
	}
	// pip's preference, best first.
	order := []string{
		"cp311-cp311-manylinux_2_36_x86_64",
		"cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
		"cp311-cp311-manylinux2014_x86_64",
		"cp311-abi3-manylinux_2_28_x86_64",
		"cp38-abi3-manylinux_2_28_x86_64",
		"py3-none-manylinux_2_28_x86_64",
		"py2.py3-none-any",
	}
	last := -1
	for _, name := range order {
		n, ok := rank(name)
		if !ok || n <= last {
			t.Errorf("%s: rank %d, %v after %d", name, n, ok, last)
		}
		last = n
	}
	if n, ok := rank("py2.py3-none-any"); !ok || supported[n] != (WheelTag{"py3", "none", "any"}) {
		t.Errorf("py2.py3-none-any is %v", supported[n])
	}
	if n, ok := rank("CP311-CP311-LINUX_x86_64"); !ok || n != 0 {
		t.Errorf("case of a tag: %d, %v", n, ok)
	}
	for _, name := range []string{
		"cp312-cp312-manylinux_2_17_x86_64", "cp312-abi3-manylinux_2_17_x86_64", "cp311-cp311-manylinux_2_37_x86_64", "cp311-cp311-manylinux_2_17_aarch64",
		"cp311-cp311-musllinux_1_2_x86_64", "cp311-cp311-win_amd64", "py2-none-any", "cp311-cp311t-manylinux_2_17_x86_64", "cp311-cp310-manylinux_2_17_x86_64", "--",
	} {
		if n, ok := rank(name); ok {
			t.Errorf("%s has rank %d", name, n)
		}
	}
	free := mustTag(t, "cp313t-manylinux_2_36_x86_64")
	if _, ok := free.Rank([]string{"cp38"}, []string{"abi3"}, []string{"manylinux_2_17_x86_64"}); ok {
		t.Error("a free-threaded interpreter takes no abi3 wheel")
	}
}

func TestCompareBuild(t *testing.T) {
	order := []string{"", "0", "1", "1a", "1b", "2", "10", "10_a"}
	for i, a := range order {
		for j, b := range order {
			if got, want := sign(CompareBuild(a, b)), sign(i-j); got != want {
				t.Errorf("%q against %q: %d, want %d", a, b, got, want)
			}
		}
	}
	if CompareBuild("01", "1") != 0 {
		t.Error("leading zeros count")
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

func TestMarkers(t *testing.T) {
	target := mustTag(t, "cp312-musllinux_1_2_aarch64")
	m := target.Markers("3.12.1")
	want := map[string]string{
		"os_name": "posix", "sys_platform": "linux", "platform_machine": "aarch64", "platform_system": "Linux", "platform_release": "", "platform_version": "",
		"python_version": "3.12", "python_full_version": "3.12.1", "implementation_name": "cpython", "implementation_version": "3.12.1", "platform_python_implementation": "CPython",
	}
	for key, value := range want {
		if got, ok := m[key]; !ok || got != value {
			t.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	if len(m) != len(want) {
		t.Errorf("%d values, want %d", len(m), len(want))
	}
	if got := target.Markers("")["python_full_version"]; got != "3.12.0" {
		t.Errorf("without a version: %s", got)
	}
}

func FuzzParseTag(f *testing.F) {
	f.Add("cp311-manylinux_2_36_x86_64")
	f.Add("cp313t-musllinux_1_2_aarch64")
	f.Add("cp311-manylinux2014_i686")
	f.Fuzz(func(t *testing.T, text string) {
		target, err := ParseTag(text)
		if err != nil {
			return
		}
		if target.String() != text {
			t.Fatalf("%q prints as %q", text, target)
		}
		list := target.Supported()
		if slices.Index(list, WheelTag{"py3", "none", "any"}) < 0 {
			t.Fatalf("%q takes no py3-none-any", text)
		}
	})
}

func BenchmarkRank(b *testing.B) {
	target := mustTag(b, "cp311-manylinux_2_36_x86_64")
	for b.Loop() {
		if _, ok := target.Rank([]string{"cp311"}, []string{"cp311"}, []string{"manylinux_2_17_x86_64", "manylinux2014_x86_64"}); !ok {
			b.Fatal("not accepted")
		}
	}
}
