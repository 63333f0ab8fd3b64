package pep508

import (
	"errors"
	"strings"
	"testing"

	"larder/snapshot/pypi/pep440"
)

var linux = map[string]string{
	"os_name": "posix", "sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux", "platform_release": "", "platform_version": "",
	"python_version": "3.11", "python_full_version": "3.11.7", "implementation_name": "cpython", "implementation_version": "3.11.7",
	"platform_python_implementation": "CPython",
}

func TestBadInputIsOneLineWithoutTheText(t *testing.T) {
	secret := "hunter2"
	for text, want := range map[string]error{
		"foo @ https://u:" + secret + "@index.example/x " + secret: ErrRequirement,
		"=" + secret:                            ErrRequirement,
		"foo[" + secret + " x]":                 ErrRequirement,
		"foo (>=1":                              ErrRequirement,
		"foo ; nothing == '" + secret + "'":     ErrMarker,
		"foo ; os_name == '" + secret:           ErrMarker,
		"foo ; os_name not == '" + secret + "'": ErrMarker,
		"foo ; (os_name == 'x'":                 ErrMarker,
		"foo ; os_name == '\\x" + secret + "'":  ErrMarker,
		"foo ; " + strings.Repeat("(", 1000):    ErrMarker,
		"foo" + strings.Repeat(" ", 300_000):    ErrRequirement,
		"foo >= one":                            pep440.ErrSpecifier,
	} {
		_, err := ParseRequirement(text)
		if !errors.Is(err, want) || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q: %v, want %v", text, err, want)
		}
	}
}

func TestEvaluateWithExtras(t *testing.T) {
	m, err := ParseMarker(`extra == "A.b" and python_version >= "3.8"`)
	if err != nil {
		t.Fatal(err)
	}
	for extras, want := range map[string]bool{"": false, "x": false, "x,a_B": true} {
		var list []string
		if extras != "" {
			list = strings.Split(extras, ",")
		}
		for name, eval := range map[string]func() (bool, error){
			"metadata": func() (bool, error) { return m.Evaluate(linux, list...) },
			"lock":     func() (bool, error) { return m.EvaluateLock(linux, list, nil) },
		} {
			if ok, err := eval(); ok != want || err != nil {
				t.Errorf("%s with %q: %v, %v", name, extras, ok, err)
			}
		}
	}
	not, err := ParseMarker(`extra != "a" and extra == "b"`)
	if err != nil {
		t.Fatal(err)
	}
	if ok, _ := not.EvaluateLock(linux, []string{"a", "b"}, nil); ok {
		t.Error("in a lock, extras are a set")
	}
	if ok, _ := (Marker{}).Evaluate(nil); !ok {
		t.Error("no marker must hold")
	}
	if ok, _ := (Marker{}).EvaluateLock(nil, nil, nil); !ok {
		t.Error("no marker must hold")
	}
}

func TestEvaluateWithoutAValue(t *testing.T) {
	m, err := ParseMarker(`os_name == "posix"`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Evaluate(nil); !errors.Is(err, ErrUndefined) {
		t.Errorf("%v, want ErrUndefined", err)
	}
	if got := m.String(); got != `os_name == "posix"` {
		t.Errorf("text %q", got)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{"Foo": "foo", "foo__--..bar": "foo-bar", "a-b": "a-b", "A_": "a-", "": ""} {
		if got := Normalize(name); got != want || Normalize(got) != got {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]bool{
		"a": true, "A1": true, "a.b-c_d": true, "": false, "-a": false, "a_": false, "a b": false, "é": false, "../x": false, "a/b": false,
		"a\x00b": false, strings.Repeat("a", 200): true, strings.Repeat("a", 201): false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("%.20q: %v", name, got)
		}
	}
}

func FuzzRequirement(f *testing.F) {
	for _, s := range []string{
		"foo", "Foo.Bar[a,b] >=1,<2 ; python_version < '3.9' and extra == 'x'", "foo @ https://index.example/x.whl ; os_name == 'nt'",
		"foo (==1.0)", "foo===any,thing", "foo ; ('linux' in sys_platform or (os_name != \"po\\x73ix\"))", "foo ; platform_release >= '4.0'",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRequirement(text)
		if err != nil {
			return
		}
		ok, err := r.Marker.Evaluate(linux, "x")
		if r.Marker.IsZero() {
			return
		}
		again, parseErr := ParseMarker(r.Marker.String())
		if parseErr != nil {
			t.Fatalf("%q: marker %q: %v", text, r.Marker, parseErr)
		}
		ok2, err2 := again.Evaluate(linux, "x")
		if ok != ok2 || (err == nil) != (err2 == nil) {
			t.Fatalf("%q: %v %v, its text %v %v", text, ok, err, ok2, err2)
		}
		_, _ = r.Marker.EvaluateLock(linux, []string{"x"}, []string{"dev"})
	})
}
