package definition

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

func decode(t *testing.T, b []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return v
}

// What a package installs is what larder setup writes.
func TestDefinitionsOfPackages(t *testing.T) {
	h := Hook{Path: "/usr/local/libexec/larder/larder-hook"}
	attach, release := HooksD(h, false)
	for name, got := range map[string][]byte{"larder-attach.json": attach, "larder-release.json": release, "larder-cdi.json": CDI(h, []string{"default"})} {
		want, err := os.ReadFile("../../../scripts/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(decode(t, got), decode(t, want)) {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}

func TestDefinitionFlags(t *testing.T) {
	h := Hook{Path: "/opt/larder-hook", Common: []string{"--store", "/srv/a b"}, Profile: "ml", Required: true}
	attach, release := HooksD(h, true)
	for want, b := range map[string][]byte{
		`["larder-hook","attach","--profile","ml","--required","--store","/srv/a b"]`: attach,
		`["larder-hook","release","--store","/srv/a b"]`:                              release,
	} {
		var got struct {
			Hook struct{ Args json.RawMessage }
			When struct{ Always bool }
		}
		var args bytes.Buffer
		if err := json.Unmarshal(b, &got); err != nil || json.Compact(&args, got.Hook.Args) != nil || args.String() != want || !got.When.Always {
			t.Errorf("%s, %v; want %s", b, err, want)
		}
	}
	if got := string(CDI(h, []string{"default", "ml"})); strings.Count(got, `"name"`) != 2 || strings.Count(got, `"default"`) != 2 {
		t.Error(got)
	}
}

const bundleConfig = `{"ociVersion":"1.0.2","process":{"args":["<&>"],"rlimits":[{"hard":18446744073709551615}]},
 "hooks":{"createRuntime":[{"path":"/bin/other","args":["o"],"future":1},{"path":"/old/larder-hook","args":["larder-hook","attach"]}],"prestart":[{"path":"/old/larder-hook"}]},"x":{"unknown":1}}`

// Twice is as once, and without it all is as it was.
func TestInBundle(t *testing.T) {
	h := Hook{Path: "/opt/larder-hook"}
	once, err := InBundle([]byte(bundleConfig), h)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := InBundle(once, h)
	if err != nil || !bytes.Equal(once, twice) {
		t.Errorf("%v:\n%s\n%s", err, once, twice)
	}
	for _, want := range []string{"18446744073709551615", "<&>", `"unknown": 1`, `"future": 1`, "/bin/other"} {
		if !bytes.Contains(once, []byte(want)) {
			t.Errorf("lost %s: %s", want, once)
		}
	}
	if n := bytes.Count(once, []byte("/opt/larder-hook")); n != 2 || bytes.Contains(once, []byte("/old/")) {
		t.Errorf("%d hooks: %s", n, once)
	}
	without, err := WithoutHook(once)
	if err != nil || bytes.Contains(without, []byte("larder")) || !bytes.Contains(without, []byte("/bin/other")) {
		t.Errorf("%v: %s", err, without)
	}
	bare, err := WithoutHook([]byte(`{"ociVersion":"1","hooks":{"poststop":[{"path":"/x/larder-hook"}]}}`))
	if err != nil || !reflect.DeepEqual(decode(t, bare), decode(t, []byte(`{"ociVersion":"1"}`))) {
		t.Errorf("%v: %s", err, bare)
	}
	for _, bad := range []string{"", "[]", "{}", `{"ociVersion":"1","hooks":[]}`, `{"ociVersion":"1","hooks":{"poststop":{}}}`, `{"ociVersion":"1","hooks":{"poststop":[1]}}`} {
		if got, err := InBundle([]byte(bad), h); err == nil {
			t.Errorf("%s: %s", bad, got)
		}
	}
}

func FuzzInBundle(f *testing.F) {
	f.Add([]byte(bundleConfig))
	f.Add([]byte(`{"ociVersion":null,"hooks":null}`))
	f.Fuzz(func(t *testing.T, config []byte) {
		once, err := InBundle(config, Hook{Path: "/opt/larder-hook"})
		if err != nil {
			return
		}
		if twice, err := InBundle(once, Hook{Path: "/opt/larder-hook"}); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%v: %s, %s", err, once, twice)
		}
	})
}
