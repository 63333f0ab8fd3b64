package snapshot

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestFindEnvironment(t *testing.T) {
	const target = "cp311-manylinux_2_36_x86_64"
	root := t.TempDir()
	link := func(path, dir string) {
		path = filepath.Join(root, path)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.Symlink(dir, path))
	}
	to := func(path, dir string) { link(path, LinkTarget(path, dir)) }
	wheel := Sum([]byte("numpy"))
	to(NoBuilt.ByName(target, "flask", "3.0.3"), LayerPath("00000000000a"))
	to(NoBuilt.ByName(target, "jinja2", "3.1"), LayerPath("00000000000b"))
	to(NoBuilt.ByHash(target, wheel.String()), LayerPath("00000000000c"))
	to(NoBuilt.ByName(target, "numpy", "2.0"), LayerPath("00000000000d"))
	link(NoBuilt.ByName(target, "evil", "1"), "/etc")
	link(NoBuilt.ByName(target, "evil", "2"), "../../../../l/00000000000a")
	link(NoBuilt.ByName(target, "evil", "3"), "../../../l/../../etc/x")
	link(NoBuilt.ByName(target, "evil", "4"), strings.Repeat("a", 300))

	tree, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(tree)

	pins := []Pin{
		{Name: "flask", Spellings: []string{"3.0.3"}},
		{Name: "flask-again", Spellings: []string{"3.0.3"}},                                      // not there
		{Name: "jinja2", Spellings: []string{"3.1"}, Digests: []string{strings.Repeat("0", 64)}}, // there, with another hash
		{Name: "numpy", Spellings: []string{"2.0"}, Digests: []string{strings.Repeat("1", 64), "junk", wheel.String()}},
		{Name: "..", Spellings: []string{".."}},
		{Name: "a/b", Spellings: []string{"1"}},
		{Name: "x", Spellings: []string{strings.Repeat("9", 300)}},
	}
	l := &Requirements{Digest: strings.Repeat("d", 64), Pins: pins}
	env, err := FindEnvironment(Tree(tree), target, NoBuilt, l)
	must(t, err)
	if want := []string{"l/00000000000a", "l/00000000000c"}; !slices.Equal(env.Lowers, want) {
		t.Errorf("lowers %v, want %v", env.Lowers, want)
	}
	var missing []string
	for _, p := range env.Missing {
		missing = append(missing, p.Name)
	}
	if want := []string{"flask-again", "jinja2", "..", "a/b", "x"}; !slices.Equal(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}

	// Two pins of one layer: overlayfs refuses the same lower twice.
	to(NoBuilt.ByName(target, "twin", "1"), LayerPath("00000000000a"))
	env, err = FindEnvironment(Tree(tree), target, NoBuilt, &Requirements{Pins: []Pin{pins[0], {Name: "twin", Spellings: []string{"1"}}}})
	if err != nil || len(env.Lowers) != 1 {
		t.Error(env, err)
	}

	// A lock the build knew: one lower, whatever the pins.
	to(NoBuilt.ByLock(target, l.Digest), MergedPath("00000000000e"))
	env, err = FindEnvironment(Tree(tree), target, NoBuilt, l)
	if err != nil || !slices.Equal(env.Lowers, []string{"e/00000000000e"}) || env.Missing != nil {
		t.Error(env, err)
	}
	if env, err = FindEnvironment(Tree(tree), "cp312-manylinux_2_36_x86_64", NoBuilt, l); err != nil || len(env.Missing) != len(pins) {
		t.Error("another target:", env, err)
	}
	for _, target := range []string{"", "..", "a/b", "a\x00"} {
		if _, err := FindEnvironment(Tree(tree), target, NoBuilt, l); err == nil {
			t.Errorf("target %q was taken", target)
		}
	}
	for _, v := range []string{"1", "2", "3", "4"} {
		_, err := FindEnvironment(Tree(tree), target, NoBuilt, &Requirements{Pins: []Pin{{Name: "evil", Spellings: []string{v}}}})
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("link %s was followed: %v", v, err)
		}
	}
}

// What was built from sources is found by the source's digest, or by name where the lock has none, and
// only as far as it is trusted.
func TestFindEnvironmentBuilt(t *testing.T) {
	const target = "cp311-manylinux_2_36_x86_64"
	root := t.TempDir()
	to := func(path, dir string) {
		at := filepath.Join(root, path)
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		must(t, os.Symlink(LinkTarget(path, dir), at))
	}
	sum := func(text string) string { return Sum([]byte(text)).String() }
	to(NoBuilt.ByName(target, "served", "1"), LayerPath("000000000001"))
	to(NoBuilt.ByHash(target, sum("served wheel")), LayerPath("000000000001"))
	to(PureBuilt.ByName(target, "pure", "1"), LayerPath("000000000002"))
	to(PureBuilt.ByHash(target, sum("pure source")), LayerPath("000000000002"))
	to(AllBuilt.ByName(target, "native", "1"), LayerPath("000000000003"))
	to(AllBuilt.ByHash(target, sum("native source")), LayerPath("000000000003"))
	// Of one version that is served and built, the served one counts.
	to(NoBuilt.ByName(target, "twice", "1"), LayerPath("000000000004"))
	to(PureBuilt.ByName(target, "twice", "1"), LayerPath("000000000005"))
	to(PureBuilt.ByHash(target, sum("twice source")), LayerPath("000000000005"))
	tree, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(tree)

	one := []string{"1"}
	pin := func(name string, digests, sources []string) Pin {
		return Pin{Name: name, Spellings: one, Digests: digests, Sources: sources}
	}
	for _, c := range []struct {
		what string
		pin  Pin
		by   [3]string // the last digit of the layer, by trust; "" is missing
	}{
		{"by name, served", pin("served", nil, nil), [3]string{"1", "1", "1"}},
		{"by name, pure", pin("pure", nil, nil), [3]string{"", "2", "2"}},
		{"by name, native", pin("native", nil, nil), [3]string{"", "", "3"}},
		{"by name, both", pin("twice", nil, nil), [3]string{"4", "4", "4"}},
		{"a wheel's digest", pin("served", []string{sum("served wheel")}, []string{sum("served source")}), [3]string{"1", "1", "1"}},
		{"a source's digest", pin("pure", []string{sum("pure wheel")}, []string{sum("pure source")}), [3]string{"", "2", "2"}},
		{"of either kind", pin("native", []string{sum("native source")}, []string{sum("native source")}), [3]string{"", "", "3"}},
		{"only a source", Pin{Name: "pure", Sources: []string{"junk", sum("pure source")}}, [3]string{"", "2", "2"}},
		{"its source of two", pin("twice", []string{sum("twice wheel")}, []string{sum("twice source")}), [3]string{"", "5", "5"}},
		{"no digest of a source", pin("pure", []string{sum("pure wheel")}, nil), [3]string{}},
		{"another source", pin("pure", []string{sum("pure wheel")}, []string{sum("another")}), [3]string{}},
		{"only another source", Pin{Name: "pure", Sources: []string{sum("another")}}, [3]string{}},
		{"a source as a wheel", pin("pure", []string{sum("pure source")}, nil), [3]string{}},
		{"a wheel as a source", pin("served", []string{sum("x")}, []string{sum("served wheel")}), [3]string{}},
		{"a source without digest", Pin{Name: "pure"}, [3]string{}},
	} {
		for trust := NoBuilt; trust <= AllBuilt; trust++ {
			env, err := FindEnvironment(Tree(tree), target, trust, &Requirements{Pins: []Pin{c.pin}})
			want, needs := []string(nil), NoBuilt
			if c.by[trust] != "" {
				want = []string{LayerPath("00000000000" + c.by[trust])}
			} else {
				needs = Built(max(0, slices.IndexFunc(c.by[:], func(s string) bool { return s != "" })))
			}
			if err != nil || !slices.Equal(env.Lowers, want) || len(env.Missing) != 1-len(want) || env.Trust != needs {
				t.Errorf("%s, %v: %+v, %v, want %v, and that %v would do", c.what, trust, env, err, want, needs)
			}
		}
	}

	// A merged environment counts as the strongest of its layers.
	l := &Requirements{Digest: sum("lock"), Pins: []Pin{pin("served", nil, nil), pin("native", nil, nil)}}
	to(AllBuilt.ByLock(target, l.Digest), MergedPath("00000000000e"))
	for trust, want := range []string{"l/000000000001", "l/000000000001", "e/00000000000e"} {
		env, err := FindEnvironment(Tree(tree), target, Built(trust), l)
		if err != nil || !slices.Equal(env.Lowers, []string{want}) {
			t.Errorf("%v: %+v, %v, want %s", Built(trust), env, err, want)
		}
	}
	if got := PureBuilt.ByHash("t", "d"); got != "by-source/pure/by-hash/t/d" {
		t.Error(got)
	}
}

func TestNeeds(t *testing.T) {
	for want, b := range []*ManifestBuilt{nil, {Kind: Pure}, {Kind: Native}} {
		if b.Needs() != Built(want) {
			t.Errorf("%+v: %v", b, b.Needs())
		}
	}
	if (&ManifestBuilt{Kind: "what"}).Needs() != AllBuilt {
		t.Error("a kind that nobody knows is trusted")
	}
}

func TestEnvironmentID(t *testing.T) {
	// printf 'bbb\naaa' | sha256sum
	if got := EnvironmentID([]string{"bbb", "aaa"}); got != Sum([]byte("bbb\naaa")).String()[:12] {
		t.Error(got)
	}
	if LinkTarget("by-name/t/p/v", "l/x") != "../../../l/x" || LinkTarget("by-hash/t/h", "l/x") != "../../l/x" {
		t.Error("link target")
	}
}

// The words for what counts are read as they are written, wherever they are.
func TestBuiltWords(t *testing.T) {
	for want, word := range []string{"no", "pure", "all"} {
		b, err := ParseBuilt(word)
		text, _ := json.Marshal(struct{ B Built }{b})
		var back struct{ B Built }
		if err != nil || b != Built(want) || string(text) != `{"B":"`+word+`"}` || json.Unmarshal(text, &back) != nil || back.B != b {
			t.Errorf("%s: %v, %v, %s, %v", word, b, err, text, back)
		}
	}
	for _, word := range []string{"", "yes", "Pure", "native", "none"} {
		var b Built
		if err := b.UnmarshalText([]byte(word)); !errors.Is(err, ErrBuilt) || b != NoBuilt {
			t.Errorf("%q: %v, %v", word, b, err)
		}
	}
}

// The id of a placed environment covers where its layers are, and its own files.
func TestPlacedEnvironmentID(t *testing.T) {
	layers := []string{"aaa", "bbb"}
	plain, placed := Requirements{}, Requirements{Places: []Place{{"x", 0}, {"y", 1}}, Own: []OwnFile{{Path: "f", Data: []byte("1")}, {Path: "l", Link: "x"}}}
	if plain.EnvironmentID(layers) != EnvironmentID(layers) {
		t.Error("another id without places")
	}
	id := placed.EnvironmentID(layers)
	seen := map[string]bool{id: true, EnvironmentID(layers): true}
	for i, change := range []func(*Requirements){
		func(r *Requirements) { r.Places = []Place{{"x", 1}, {"y", 0}} },
		func(r *Requirements) { r.Places = []Place{{"x", 0}, {"z", 1}} },
		func(r *Requirements) { r.Own = nil },
		func(r *Requirements) { r.Mounts = []string{"m", "p/m"} },
		func(r *Requirements) { r.Mounts = []string{"m", "q/m"} },
		func(r *Requirements) { r.Own = []OwnFile{{Path: "f", Data: []byte("2")}, {Path: "l", Link: "x"}} },
		func(r *Requirements) { r.Own = []OwnFile{{Path: "f", Data: []byte("1")}, {Path: "l", Link: "y"}} },
	} {
		r := placed
		change(&r)
		if other := r.EnvironmentID(layers); seen[other] {
			t.Errorf("change %d has an id that another one has", i)
		} else {
			seen[other] = true
		}
	}
	if placed.EnvironmentID(layers) != id || len(id) != 12 {
		t.Errorf("id %s", id)
	}
}
