package lock

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

const (
	sumA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	sumB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	sumC = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
)

// parse reads the first of the files, which the others are beside.
func parse(t testing.TB, name, content string, others map[string]string) (*Lock, error) {
	t.Helper()
	return Parse(name, strings.NewReader(content), linux("3.11.7"), func(name string) (io.ReadCloser, error) {
		if c, ok := others[name]; ok {
			return io.NopCloser(strings.NewReader(c)), nil
		}
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	})
}

func wantRefusal(t testing.TB, err error, want string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || !errors.Is(err, ErrRefused) {
		t.Errorf("%v, want a refusal with %q", err, want)
		return
	}
	if msg := err.Error(); !strings.Contains(msg, want) || strings.ContainsAny(msg, "\n\r\x1b") || len(msg) > 900 {
		t.Errorf("refused with %q, want %q in one line", msg, want)
	}
	if h := r.Hint(); h == "" || strings.ContainsAny(h, "\n\r\x1b") {
		t.Errorf("hint %q", h)
	}
}

func TestFormatByNameThenContent(t *testing.T) {
	pylock := "lock-version = \"1.0\"\ncreated-by = \"x\"\n[[packages]]\nname = \"a\"\nversion = \"1\"\n[[packages.wheels]]\nname = \"a-1-py3-none-any.whl\"\nhashes.sha256 = \"" + sumA + "\"\n"
	uv := "version = 1\nrequires-python = \">=3.8\"\n[[package]]\nname = \"p\"\nversion = \"0\"\nsource = { virtual = \".\" }\n"
	poetry := "[[package]]\nname = \"a\"\nversion = \"1\"\noptional = false\nfiles = []\n[metadata]\nlock-version = \"2.1\"\npython-versions = \"*\"\ncontent-hash = \"0\"\n"
	for name, c := range map[string]struct {
		content string
		want    format
	}{
		"pylock.toml": {pylock, formatPylock}, "pylock.dev.toml": {pylock, formatPylock}, "any.lock": {pylock, formatPylock}, "x/uv.lock": {uv, formatUV}, "other": {uv, formatUV},
		"poetry.lock": {poetry, formatPoetry}, "p.lock": {poetry, formatPoetry}, "requirements.txt": {"a==1\n", formatRequirements}, "r.lock": {"a==1\n", formatRequirements}, "fd/63": {"a==1\n", formatRequirements},
	} {
		l, err := parse(t, name, c.content, nil)
		if err != nil {
			t.Errorf("%s: %v, %v", name, l, err)
		}
		if got, err := detect(name, []byte(c.content)); got != c.want || err != nil {
			t.Errorf("%s: format %d, %v, want %d", name, got, err, c.want)
		}
	}
}

func TestForeignLocksSayWhichCommandHelps(t *testing.T) {
	for name, content := range map[string]string{
		"Pipfile.lock": "{}", "Pipfile": "", "pdm.lock": "", "pixi.lock": "", "conda-lock.yml": "", "environment.yml": "", "pyproject.toml": "", "setup.py": "",
		"x.lock": `{"_meta": {}}`, "y.json": "{}", "page": "<!DOCTYPE html>", "explicit.txt": "@EXPLICIT\nx", "env": "channels:\n - x\ndependencies:\n - y\n",
		"z.lock": "[metadata]\nlock_version = \"4.5\"\n[[package]]\nname = \"a\"\n", "cargo": "[[package]]\nname = \"a\"\n",
	} {
		_, err := parse(t, name, content, nil)
		wantRefusal(t, err, name+": this is ")
	}
}

func TestDigestIsStable(t *testing.T) {
	digest := func(content string) string {
		t.Helper()
		l, err := parse(t, "r.txt", content, nil)
		if err != nil {
			t.Fatal(err)
		}
		return l.Digest()
	}
	one := digest("a==1.0 --hash=sha256:" + sumA + " --hash=sha256:" + sumB + "\nb==2 --hash=sha256:" + sumC + "\n")
	two := digest("# c\nB == 2.0 --hash=sha256:" + strings.ToUpper(sumC) + "\nA==1 --hash=sha256:" + sumB + " --hash=sha256:" + sumA + " # c\n")
	if one != two {
		t.Errorf("%s and %s", one, two)
	}
	if golden := "5074e6574b3c1bc4"; !strings.HasPrefix(one, golden) {
		t.Errorf("digest %s: published names would change", one)
	}
	for _, other := range []string{"a==1 --hash=sha256:" + sumA, "a==1", "a==1.1", "b==1", "a==1\nb==1"} {
		if digest(other) == one || digest(other) == digest("c==3") {
			t.Errorf("%q collides", other)
		}
	}
}

func TestEncodings(t *testing.T) {
	utf16File := func(mark string, hi, lo int) string {
		b := []byte(mark)
		for _, u := range utf16.Encode([]rune("a==1\r\n# é\r\nb==2")) {
			pair := [2]byte{byte(u >> 8), byte(u)}
			b = append(b, pair[hi], pair[lo])
		}
		return string(b)
	}
	for what, content := range map[string]string{
		"byte order mark": "\xef\xbb\xbfa==1\nb==2\n", "CRLF": "a==1\r\nb==2\r\n", "CR": "a==1\rb==2", "no line end": "a==1\nb==2",
		"UTF-16LE": utf16File("\xff\xfe", 1, 0), "UTF-16BE": utf16File("\xfe\xff", 0, 1), "continued CRLF": "a==1\\\r\n ; os_name=='posix'\r\nb==2",
	} {
		l, err := parse(t, "r.txt", content, nil)
		if err != nil || text(l) != "a==1 b==2" {
			t.Errorf("%s: %v, %v", what, l, err)
		}
	}
	for what, content := range map[string]string{"Latin-1": "a==1\n# \xe9\n", "NUL": "a==1\nb\x00==1\n", "binary": "\x7fELF\x02\x01\x01\x00"} {
		_, err := parse(t, "r.txt", content, nil)
		wantRefusal(t, err, "not text in UTF-8")
		_ = what
	}
}

func TestReadFollowsIncludesFromTheFile(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"main.txt": "-r sub/base.txt\n-c limits.txt\na\n", "sub/base.txt": "-r more.txt\nb==2\n", "sub/more.txt": "-r ../c.txt\n", "c.txt": "c==3\n", "limits.txt": "a==1\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Read(filepath.Join(dir, "main.txt"), linux("3.11.7"))
	if err != nil || text(l) != "a==1 b==2 c==3" {
		t.Fatalf("%v, %v", l, err)
	}
	if got, want := l.Pins[2].File, filepath.Join(dir, "c.txt"); got != want {
		t.Errorf("c stands in %s, want %s", got, want)
	}
	if _, err := Read(filepath.Join(dir, "missing.txt"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := Read(dir, nil); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("directory: %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '#'
	}
	return len(p), nil
}

func TestLimits(t *testing.T) {
	env := linux("3.11.7")
	_, err := Parse("r.txt", endless{}, env, nil)
	wantRefusal(t, err, "larger than 16 MiB")
	_, err = Parse("r.txt", strings.NewReader("-r more.txt\n"), env, func(string) (io.ReadCloser, error) { return io.NopCloser(endless{}), nil })
	wantRefusal(t, err, "larger than 16 MiB")

	var many strings.Builder
	for i := range 20_001 {
		fmt.Fprintf(&many, "p%d==1\n", i)
	}
	_, err = parse(t, "r.txt", many.String(), nil)
	wantRefusal(t, err, "more than 20000 projects")

	depth := 0
	_, err = Parse("r.txt", strings.NewReader("-r 0.txt\n"), env, func(string) (io.ReadCloser, error) {
		depth++
		return io.NopCloser(strings.NewReader(fmt.Sprintf("-r %d.txt\n", depth))), nil
	})
	wantRefusal(t, err, "nested deeper than 16")
	_, err = parse(t, "r.txt", strings.Repeat("-r x.txt\n", 65), map[string]string{"x.txt": "a==1\n"})
	wantRefusal(t, err, "more than 64 included files")

	for what, content := range map[string]string{
		"arrays": "x = " + strings.Repeat("[", 15_000_000), "tables": strings.Repeat("{a=", 5_000_000),
		"nested arrays": "x = " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "dots": strings.Repeat("a.", 7_000_000) + "a = 1",
		"header": "[" + strings.Repeat("a.", 400_000) + "a]", "values": "x = [" + strings.Repeat("1,\n", 3_000_000) + "]",
		"keys": "x = {" + strings.Repeat("a.", 100) + "a = 1}",
	} {
		_, err := parse(t, "uv.lock", content, nil)
		wantRefusal(t, err, "uv.lock")
		_ = what
	}
}

// Input of a few MB that is quadratic work for a careless reader. Each took minutes
// or more before its limit.
func TestHostileInputIsFast(t *testing.T) {
	repeat := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			if strings.Contains(format, "%") {
				fmt.Fprintf(&b, format, i)
			} else {
				b.WriteString(format)
			}
		}
		return b.String()
	}
	old := strings.Replace(poetryTail, "2.1", "2.0", 1)
	for what, c := range map[string]struct{ name, content string }{
		"keys":              {"uv.lock", "version = 1\n" + repeat(300_000, "k%d = 1\n")},
		"members":           {"uv.lock", uvRoot + "[manifest]\nmembers = [\n" + repeat(200_000, "\"m%d\",\n") + "]\n" + repeat(100_000, "[[package]]\nname = \"x%d\"\n")},
		"forks":             {"uv.lock", uvRoot + "dependencies = [\n" + repeat(40_000, "{ name = \"a\", version = \"%d\" },\n") + "]\n" + repeat(20_000, "[[package]]\nname = \"a\"\nversion = \"%d\"\n")},
		"few forks":         {"uv.lock", uvRoot + "dependencies = [\n" + repeat(100_000, "{ name = \"a\" },\n") + "]\n" + repeat(255, "[[package]]\nname = \"a\"\nversion = \"%d\"\nresolution-markers = [\"os_name == 'nt'\"]\n") + uvEntry("a", "999", "resolution-markers = [\"os_name == 'posix'\"]\n")},
		"poetry files":      {"poetry.lock", repeat(50_000, "[[package]]\nname = \"p%d\"\nversion = \"1\"\n") + old + "[metadata.files]\n" + repeat(50_000, "f%d = []\n")},
		"poetry forks":      {"poetry.lock", poetryEntry("a", "1", "[package.dependencies]\nb = [\n"+repeat(50_000, "\"<%d\",\n")+"]\n") + repeat(256, "[[package]]\nname = \"b\"\nversion = \"%d\"\noptional = true\n") + old},
		"pin again":         {"r.txt", repeat(90_000, "a==1 --hash=sha256:"+sumA[:56]+"%08d\n")},
		"constraints":       {"r.txt", repeat(90_000, "a==1\n") + "-c c.txt\n"},
		"hashes":            {"r.txt", "a==1 " + repeat(10_000, "--hash=sha256:"+sumA+" ")},
		"continued":         {"r.txt", repeat(1_000_000, "\\\n") + "a==1\n"},
		"empty lines":       {"r.txt", repeat(4_000_000, "\n") + "a==1\n"},
		"clauses":           {"r.txt", "a" + repeat(50_000, ">=1,") + "==1\n"},
		"marker":            {"pylock.toml", pylockHead + pylockEntry("a", "1", "marker = \"'x' in extras"+repeat(30_000, " or 'x' in extras")+"\"\n")},
		"parts of a key":    {"uv.lock", repeat(400_000, "a.")},
		"tables in a table": {"uv.lock", repeat(200_000, "[t%d]\n")},
	} {
		start := time.Now()
		_, err := parse(t, c.name, c.content, map[string]string{"c.txt": repeat(90_000, "a>=1\n")})
		if err != nil {
			wantRefusal(t, err, c.name[:1])
		}
		if took := time.Since(start); took > 20*time.Second { // a second on an idle machine
			t.Errorf("%s: %v", what, took)
		} else {
			t.Logf("%s: %v, %v", what, took.Round(time.Millisecond), err)
		}
	}
}

// A version is looked up as the lock spells it, then as a build does; what has no wheel is not.
func TestRequirementsForTheStore(t *testing.T) {
	l := &Lock{Pins: []Pin{
		{Name: "a", Version: "1.0.0"}, {Name: "b", Version: "2"}, {Name: "c", Version: "1", SdistOnly: true},
		{Name: "d", Version: "1", Hashes: []string{"ab"}, File: "f", Line: 3},
	}, LeftOut: []string{"own"}}
	r := l.Requirements()
	if r.Digest != l.Digest() || !slices.Equal(r.LeftOut, l.LeftOut) || len(r.Pins) != 4 {
		t.Fatalf("%+v", r)
	}
	for i, want := range [][]string{{"1.0.0", "1"}, {"2"}, nil, {"1"}} {
		if !slices.Equal(r.Pins[i].Spellings, want) {
			t.Errorf("%s: %v, want %v", r.Pins[i].Name, r.Pins[i].Spellings, want)
		}
	}
	if d := r.Pins[3]; !slices.Equal(d.Digests, []string{"ab"}) || d.File != "f" || d.Line != 3 || d.Version != "1" {
		t.Errorf("%+v", d)
	}
}
