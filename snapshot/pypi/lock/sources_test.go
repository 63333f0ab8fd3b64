package lock

import (
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// files is a lock as a test writes it: of each pin its wheels' digests, "|", its sources'.
func files(l *Lock) string {
	var all []string
	letters := func(digests []string) string {
		s := ""
		for _, d := range digests {
			s += d[:1]
		}
		return s
	}
	for _, p := range l.Pins {
		text := p.Name + " " + letters(p.Hashes) + "|" + letters(p.Sources)
		if p.SdistOnly {
			text += " sdist"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// Every format tells which sources a wheel may be built from.
func TestSources(t *testing.T) {
	uvOf := func(files string) string {
		return uvRoot + "dependencies = [{ name = \"a\" }]\n[[package]]\nname = \"a\"\nversion = \"1\"\nsource = { registry = \"r\" }\n" + files
	}
	pylockOf := func(files string) string { return pylockHead + "[[packages]]\nname = \"a\"\nversion = \"1\"\n" + files }
	poetryOf := func(files string) string {
		return "[[package]]\nname = \"a\"\nversion = \"1\"\noptional = false\npython-versions = \"*\"\nfiles = [" + files + "]\n" + poetryTail
	}
	for _, c := range []struct{ name, content, want string }{
		{"uv.lock", uvOf("sdist = { url = \"x\", hash = \"sha256:" + sumB + "\" }\nwheels = [{ url = \"x\", hash = \"sha256:" + sumA + "\" }]\n"), "a a|b"},
		{"uv.lock", uvOf("sdist = { url = \"x\", hash = \"sha256:" + strings.ToUpper(sumB) + "\" }\n"), "a |b sdist"},
		{"uv.lock", uvOf("sdist = { url = \"x\" }\n"), "a | sdist"},
		{"uv.lock", uvOf("wheels = [{ url = \"x\", hash = \"sha256:" + sumA + "\" }]\n"), "a a|"},
		// A directory of files without digests: any file of the version is meant.
		{"uv.lock", uvOf("sdist = { path = \"x\", hash = \"sha256:" + sumB + "\" }\nwheels = [{ path = \"x\" }]\n"), "a |"},
		{"pylock.toml", pylockOf("[packages.sdist]\nurl = \"x\"\nhashes = { sha256 = \"" + sumB + "\" }\n[[packages.wheels]]\nurl = \"x\"\nhashes = { sha256 = \"" + sumA + "\" }\n"), "a a|b"},
		{"pylock.toml", pylockOf("sdist = { url = \"x\", hashes = { sha256 = \"" + sumB + "\", md5 = \"0\" } }\n"), "a |b sdist"},
		{"pylock.toml", pylockOf("sdist = { url = \"x\", hashes = { sha512 = \"" + sumB + sumB + "\" } }\n"), "a | sdist"},
		{"poetry.lock", poetryOf("{file = \"a-1-py3-none-any.whl\", hash = \"sha256:" + sumA + "\"}, {file = \"a-1.tar.gz\", hash = \"sha256:" + sumC + "\"}, {file = \"a-1.zip\", hash = \"sha256:" + sumB + "\"}"), "a a|bc"},
		{"poetry.lock", poetryOf("{file = \"a-1.zip\", hash = \"sha256:" + sumB + "\"}"), "a |b sdist"},
		{"poetry.lock", poetryOf("{file = \"a-1.zip\", hash = \"md5:0\"}"), "a | sdist"},
		{"r.txt", "a==1 --hash=sha256:" + sumB + " --hash=sha256:" + sumA + " --hash=sha256:" + sumA + "\n", "a ab|ab"},
		{"r.txt", "a==1 --hash=sha256:" + sumB + "\na==1 --hash=sha256:" + sumA + "\n-c c.txt\n", "a ab|ab"},
		{"r.txt", "a==1\n", "a |"},
	} {
		l, err := Parse(c.name, strings.NewReader(c.content), linux("3.11.7"), func(string) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("a==1 --hash=sha256:" + sumA + " --hash=sha256:" + sumB + "\n")), nil
		})
		if err != nil || files(l) != c.want {
			t.Errorf("%s: %v, %v, want %s", c.content, l, err, c.want)
			continue
		}
		r := l.Requirements().Pins[0]
		if !slices.Equal(r.Sources, l.Pins[0].Sources) || !slices.Equal(r.Digests, l.Pins[0].Hashes) || (len(r.Spellings) == 0) != l.Pins[0].SdistOnly {
			t.Errorf("%s: requirements %+v", c.content, r)
		}
	}
	for _, content := range []string{uvOf("sdist = 1\n"), uvOf("sdist = { hash = 1 }\n")} {
		_, err := Parse("uv.lock", strings.NewReader(content), linux("3.11.7"), func(string) (io.ReadCloser, error) { return nil, fs.ErrNotExist })
		wantRefusal(t, err, "uv.lock:12: ")
	}
	_, err := Parse("pylock.toml", strings.NewReader(pylockOf("sdist = []\n")), linux("3.11.7"), nil)
	wantRefusal(t, err, "sdist is no table")
}

// What several locks make together may be built from a source that all of them allow.
func TestSourcesUnion(t *testing.T) {
	pin := func(hashes, sources string, only bool) Pin {
		p := Pin{Name: "a", Version: "1", SdistOnly: only, File: "f", Line: 1}
		if hashes != "" {
			p.Hashes = strings.Split(hashes, "")
		}
		if sources != "" {
			p.Sources = strings.Split(sources, "")
		}
		return p
	}
	for _, c := range []struct {
		a, b Pin
		want string // "" is refused
	}{
		{pin("ab", "s", false), pin("bc", "st", false), "a b|s"},
		{pin("", "", false), pin("a", "s", false), "a a|s"},
		{pin("a", "s", false), pin("", "", false), "a a|s"},
		{pin("", "", false), pin("", "s", true), "a |s sdist"},
		{pin("", "s", true), pin("a", "st", false), "a |s sdist"},
		{pin("a", "s", false), pin("s", "s", false), "a |s sdist"}, // a requirements file with the source's digest alone
		{pin("a", "s", false), pin("ast", "ast", false), "a a|s"},
		{pin("a", "s", false), pin("a", "", false), "a a|"},
		{pin("", "", true), pin("a", "s", false), "a | sdist"}, // sources without digests: nothing answers
		{pin("", "s", true), pin("a", "t", false), ""},
		{pin("", "s", true), pin("a", "", false), ""},
		{pin("", "s", true), pin("", "t", true), ""},
		{pin("a", "s", false), pin("b", "t", false), ""},
	} {
		for _, locks := range [][]*Lock{{{Pins: []Pin{c.a}}, {Pins: []Pin{c.b}}}, {{Pins: []Pin{c.b}}, {Pins: []Pin{c.a}}}} {
			l, err := union(locks)
			if c.want == "" {
				wantRefusal(t, err, "a==1 has other hashes in f:1 than in f:1")
			} else if err != nil || files(l) != c.want {
				t.Errorf("%+v and %+v: %v, %v, want %s", locks[0].Pins[0], locks[1].Pins[0], l, err, c.want)
			}
		}
	}
}

// The digest tells locks apart that list other sources, and is what it was of those that list none,
// and of requirements files.
func TestSourcesDigest(t *testing.T) {
	digest := func(p Pin) string { p.Name, p.Version = "a", "1"; return (&Lock{Pins: []Pin{p}}).Digest() }
	a := []string{sumA}
	seen := map[string]bool{}
	for _, p := range []Pin{{}, {Hashes: a}, {Hashes: a, Sources: []string{sumB}}, {Hashes: a, Sources: []string{sumB, sumC}}, {SdistOnly: true}, {SdistOnly: true, Sources: a}, {SdistOnly: true, Sources: []string{sumB}}} {
		if seen[digest(p)] {
			t.Errorf("%+v has the digest of another", p)
		}
		seen[digest(p)] = true
	}
	if digest(Pin{Hashes: a, Sources: a}) != digest(Pin{Hashes: a}) {
		t.Error("a requirements file's digest would change")
	}
	if got := digest(Pin{SdistOnly: true}); !strings.HasPrefix(got, "d1a20c6c154e7561") { // printf 'a==1 sdist\n' | sha256sum
		t.Errorf("digest %s: published names would change", got)
	}
}
