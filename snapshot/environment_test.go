package snapshot

import (
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
	to(ByNamePath(target, "flask", "3.0.3"), LayerPath("00000000000a"))
	to(ByNamePath(target, "jinja2", "3.1"), LayerPath("00000000000b"))
	to(ByHashPath(target, wheel.String()), LayerPath("00000000000c"))
	to(ByNamePath(target, "numpy", "2.0"), LayerPath("00000000000d"))
	link(ByNamePath(target, "evil", "1"), "/etc")
	link(ByNamePath(target, "evil", "2"), "../../../../l/00000000000a")
	link(ByNamePath(target, "evil", "3"), "../../../l/../../etc/x")
	link(ByNamePath(target, "evil", "4"), strings.Repeat("a", 300))

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
	env, err := FindEnvironment(Tree(tree), target, l)
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
	to(ByNamePath(target, "twin", "1"), LayerPath("00000000000a"))
	env, err = FindEnvironment(Tree(tree), target, &Requirements{Pins: []Pin{pins[0], {Name: "twin", Spellings: []string{"1"}}}})
	if err != nil || len(env.Lowers) != 1 {
		t.Error(env, err)
	}

	// A lock the build knew: one lower, whatever the pins.
	to(ByLockPath(target, l.Digest), MergedPath("00000000000e"))
	env, err = FindEnvironment(Tree(tree), target, l)
	if err != nil || !slices.Equal(env.Lowers, []string{"e/00000000000e"}) || env.Missing != nil {
		t.Error(env, err)
	}
	if env, err = FindEnvironment(Tree(tree), "cp312-manylinux_2_36_x86_64", l); err != nil || len(env.Missing) != len(pins) {
		t.Error("another target:", env, err)
	}
	for _, target := range []string{"", "..", "a/b", "a\x00"} {
		if _, err := FindEnvironment(Tree(tree), target, l); err == nil {
			t.Errorf("target %q was taken", target)
		}
	}
	for _, v := range []string{"1", "2", "3", "4"} {
		_, err := FindEnvironment(Tree(tree), target, &Requirements{Pins: []Pin{{Name: "evil", Spellings: []string{v}}}})
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("link %s was followed: %v", v, err)
		}
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
