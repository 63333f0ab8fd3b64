package pep440

import (
	"errors"
	"strings"
	"testing"
)

func TestParseRefusesInOneLine(t *testing.T) {
	for _, text := range []string{"", "latest", "1.0-final", "1.0\n2.0", strings.Repeat("1.", 400) + "0", "1.0\x00"} {
		v, err := Parse(text)
		if !errors.Is(err, ErrVersion) || !v.IsZero() {
			t.Errorf("%q: %v, %v", text, v, err)
			continue
		}
		if msg := err.Error(); strings.ContainsAny(msg, "\n\x00") || len(msg) > 600 {
			t.Errorf("%q: message %q", text, msg)
		}
	}
}

func TestParseSpecifiersRefusesInOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"1.0":                            "begins with none of",
		">=1.0+local":                    "local label",
		"~=1":                            "two parts",
		">=1.*":                          ".* needs",
		"==1.0a1.*":                      "more than a release",
		"==one":                          "not a PEP 440 version",
		"===a;b":                         "white space",
		">=" + strings.Repeat("1", 1000): "longer than",
		strings.Repeat(">=1,", 1001):     "more than 1000 clauses",
	} {
		_, err := ParseSpecifiers(text)
		if !errors.Is(err, ErrSpecifier) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestExact(t *testing.T) {
	for text, want := range map[string]string{
		"==1.0": "1.0", "===1.0": "1.0", "== 1.0.0 ,>=0.9": "1.0.0", "==1.0+cu121": "1.0+cu121", "===1.0-1": "1.0.post1",
		"": "", ">=1": "", "==1.*": "", "==1.0,!=1.0": "", "===foo": "", "~=1.0": "", "==1.0,==1.1": "",
	} {
		list, err := ParseSpecifiers(text)
		if err != nil {
			t.Fatal(err)
		}
		v, ok := list.Exact()
		if got := v.String(); ok != (want != "") || (ok && got != want) {
			t.Errorf("%q: %q %v, want %q", text, got, ok, want)
		}
	}
}

func TestSpecifiersString(t *testing.T) {
	list, err := ParseSpecifiers(" >= 3.8 , !=3.9.* ")
	if err != nil || list.String() != ">=3.8,!=3.9.*" {
		t.Errorf("%s, %v", list, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.0", "1!2.3a4.post5.dev6+l.7", "v1.0-1", "1.0-alpha_1", "01.0+00a.01", "1.0.post", "1.*"} {
		f.Add(s, "1.0rc1")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v, err := Parse(a)
		if err != nil {
			return
		}
		again, err := Parse(v.String())
		if err != nil || again.Compare(v) != 0 || again.String() != v.String() {
			t.Fatalf("%q is %s, which reads as %s, %v", a, v, again, err)
		}
		if canonical, err := Parse(v.Canonical()); err != nil || canonical.Compare(v) != 0 {
			t.Fatalf("%q: canonical %s, %v", a, v.Canonical(), err)
		}
		w, err := Parse(b)
		if err != nil {
			return
		}
		if v.Compare(w) != -w.Compare(v) || (v.Compare(w) == 0) != (v.Canonical() == w.Canonical()) {
			t.Fatalf("%s and %s do not compare", v, w)
		}
	})
}

func FuzzSpecifiers(f *testing.F) {
	for _, s := range []string{">=1.0,<2", "==1.0.*", "~=1.4.2", "===any", "!=1.0a1", "==1.0+x", "<1.0.post1"} {
		f.Add(s, "1.0.5")
	}
	f.Fuzz(func(t *testing.T, spec, version string) {
		list, err := ParseSpecifiers(spec)
		if err != nil {
			return
		}
		again, err := ParseSpecifiers(list.String())
		if err != nil {
			t.Fatalf("%q prints as %q: %v", spec, list, err)
		}
		if list.ContainsText(version, true) != again.ContainsText(version, true) {
			t.Fatalf("%q and %q differ on %q", spec, list, version)
		}
		if list.ContainsText(version, false) && !list.ContainsText(version, true) {
			t.Fatalf("%q contains %q only without prereleases", spec, version)
		}
	})
}

func BenchmarkCompare(b *testing.B) {
	for b.Loop() {
		v, _ := Parse("1.26.4")
		w, _ := Parse("2.0.0rc1")
		if v.Compare(w) >= 0 {
			b.Fatal("order")
		}
	}
}
