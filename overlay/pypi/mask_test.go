package pypi

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

const site = "lib/python3.11/site-packages"

func TestMaskPaths(t *testing.T) {
	const info = "Ruamel.YAML_x-1.0.dist-info"
	for _, c := range []struct {
		name, dir, record string
		want              string // below site, by blanks; "" nothing
	}{
		{"plain", info, "a.py,sha256=x,1\na/b.py,,\n" + info + "/RECORD,,\n" + info + "/METADATA,,\n", info + " a.py a/b.py"},
		{"quoted", info, "\"a,b.py\",,\n", info + " a,b.py"},
		{"windows", info, "a.py,,\r\nb.py,,\r\n", info + " a.py b.py"},
		{"twice", info, "a.py,,\na.py,,\n./a.py,,\n", info + " a.py"},
		{"scripts", info, "../../../bin/x,,\n", info + " ../../../bin/x"},
		{"out", info, "../../../../x,,\n../../../..,,\n../../..,,\n/etc/passwd,,\na/../../../../../x,,\n", info},
		{"no names", info, "a\x00b,,\n,,\n\n.,,\n" + strings.Repeat("x", 256) + ",,\n" + strings.Repeat("x/", 2500) + "y,,\n", info + " ."},
		{"what makes it an environment", info, "../../../pyvenv.cfg,,\n", info},
		{"no record", info, "", info},
		{"somebody else's", "other-1.0.dist-info", "a.py,,\n", ""},
		{"a project that begins so", "ruamel.yaml_x_y-1.0.dist-info", "a.py,,\n", ""},
		{"no version", "ruamel.yaml.x.dist-info", "a.py,,\n", ""},
		{"no name", "-1.0.dist-info", "a.py,,\n", ""},
		{"an egg", "ruamel_yaml_x-1.0.egg-info", "a.py,,\n", ""},
	} {
		got, err := maskPaths([]distInfo{{site, c.dir}}, []string{"b", "ruamel-yaml-x"}, records(c.record))
		var want []string
		for _, w := range strings.Split(c.want, " ") {
			if w != "" {
				want = append(want, filepath.Join(site, w))
			}
		}
		slices.Sort(want)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, want)
		}
	}
	big := []byte(strings.Repeat("a\n", maxRows/2+1))
	own := []distInfo{{site, "b-1.dist-info"}, {site, "b-2.dist-info"}}
	if _, err := maskPaths(own, []string{"b"}, records(string(big))); !errors.Is(err, errTooMuch) {
		t.Errorf("too many rows: %v", err)
	}
	if got, err := maskPaths(own, []string{"c"}, records(string(big))); err != nil || len(got) != 0 {
		t.Errorf("too many rows of nobody's: %q, %v", got, err)
	}
}

// records gives every dist-info the same record.
func records(text string) openRecord {
	return func(_ distInfo, read func(io.Reader) error) error { return read(strings.NewReader(text)) }
}

// An image whose files are large, many or deep costs the host no more than the budget.
func TestFindMaskIsBounded(t *testing.T) {
	for name, attack := range map[string]func(dir string){
		"sparse records": func(dir string) {
			for i := range maxDistInfos {
				p := filepath.Join(dir, site, fmt.Sprintf("b-%d.dist-info", i), "RECORD")
				must(t, os.MkdirAll(filepath.Dir(p), 0o755))
				must(t, os.WriteFile(p, nil, 0o644))
				must(t, os.Truncate(p, 16<<20))
			}
		},
		"deep rows": func(dir string) {
			var text strings.Builder
			for i := range 3500 {
				fmt.Fprintf(&text, "%d/%s\n", i, strings.Repeat("a/", 1900)+"b")
			}
			plant(t, dir, map[string]string{site + "/b-1.dist-info/RECORD": text.String()})
		},
		"rows in many directories": func(dir string) {
			var text strings.Builder
			for i := range 60_000 {
				fmt.Fprintf(&text, "%d/%s\n", i, strings.Repeat("a/", 60)+"b")
			}
			plant(t, dir, map[string]string{site + "/b-1.dist-info/RECORD": text.String()})
		},
		"one quoted row": func(dir string) {
			plant(t, dir, map[string]string{site + "/b-1.dist-info/RECORD": `"` + strings.Repeat("a\n", 7<<20)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			attack(dir)
			root, err := os.Open(dir)
			must(t, err)
			defer root.Close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = findMask(root, []string{"b"}, new(overlay.Budget).Take)
			runtime.ReadMemStats(&after)
			if err != nil && !errors.Is(err, errTooMuch) && !errors.Is(err, overlay.ErrMaxRead) {
				t.Error(err)
			}
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 10*overlay.MaxRead>>20 {
				t.Errorf("%d MiB allocated", used)
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// plant makes files: "path": content; "path -> target": a link.
func plant(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name, target, link := strings.Cut(name, " -> ")
		p := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		if link {
			must(t, os.Symlink(target, p))
		} else {
			must(t, os.WriteFile(p, []byte(text), 0o644))
		}
	}
}

func find(t testing.TB, dir string) ([]string, error) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	must(t, err)
	f := os.NewFile(uintptr(fd), dir)
	defer f.Close()
	m, err := findMask(f, []string{"p", "q"}, new(overlay.Budget).Take)
	var got []string
	for _, h := range m.hidden {
		got = append(got, strings.TrimPrefix(h, site+"/"))
	}
	return got, err
}

// What is there of the project's, and directories only when all in them is.
func TestFindMask(t *testing.T) {
	for _, c := range []struct {
		name   string
		record string
		files  map[string]string // besides the record, below site
		want   string
	}{
		{"a package", "p/__init__.py,,\np/sub/x.py,,\n", map[string]string{"p/__init__.py": "", "p/sub/x.py": ""}, "p p-1.dist-info"},
		{"with bytecode", "p/__init__.py,,\n", map[string]string{"p/__init__.py": "", "p/__pycache__/__init__.cpython-311.pyc": ""}, "p p-1.dist-info"},
		{"with the user's file", "p/__init__.py,,\np/a/x.py,,\n", map[string]string{"p/__init__.py": "", "p/a/x.py": "", "p/mine.py": ""}, "p-1.dist-info p/__init__.py p/a"},
		{"with the user's bytecode", "p/__init__.py,,\n", map[string]string{"p/__init__.py": "", "p/__pycache__/mine.cpython-311.pyc": ""}, "p-1.dist-info p/__init__.py"},
		{"in a namespace", "ns/p/x.py,,\n", map[string]string{"ns/p/x.py": "", "ns/other/y.py": ""}, "ns/p p-1.dist-info"},
		{"only in a namespace", "ns/p/x.py,,\n", map[string]string{"ns/p/x.py": ""}, "ns p-1.dist-info"},
		{"modules", "p.py,,\n__pycache__/p.cpython-311.pyc,,\n", map[string]string{"p.py": "", "__pycache__/p.cpython-311.pyc": "", "__pycache__/other.cpython-311.pyc": ""},
			"__pycache__/p.cpython-311.pyc p-1.dist-info p.py"},
		{"not there", "p/__init__.py,,\ngone.py,,\n", nil, "p-1.dist-info"},
		{"a row for a directory", "other,,\nlib,,\n", map[string]string{"other/x.py": ""}, "p-1.dist-info"},
		{"through a link", "link/x.py,,\n", map[string]string{"other/x.py": "", "link -> other": ""}, "p-1.dist-info"},
		{"a link", "link,,\n", map[string]string{"other/x.py": "", "link -> other": ""}, "link p-1.dist-info"},
		{"two versions", "p.py,,\n", map[string]string{"p.py": "", "p-2.dist-info/RECORD": "p2.py,,\n", "p2.py": ""}, "p-1.dist-info p-2.dist-info p.py p2.py"},
		{"an egg-info and others", "p.py,,\n", map[string]string{"p.py": "", "p-1.egg-info": "", "r-1.dist-info/RECORD": "r.py,,\n", "r.py": ""}, "p-1.dist-info p.py"},
		{"a dist-info that is a link", "", map[string]string{"q-1.dist-info -> r-1.dist-info": "", "r-1.dist-info/RECORD": "r.py,,\n", "r.py": ""}, "p-1.dist-info q-1.dist-info"},
		{"a record that is a link", "", map[string]string{"q-1.dist-info/RECORD -> ../r-1.dist-info/RECORD": "", "r-1.dist-info/RECORD": "r.py,,\n", "r.py": ""}, "p-1.dist-info q-1.dist-info"},
	} {
		dir := t.TempDir()
		plant(t, filepath.Join(dir, site), c.files)
		plant(t, filepath.Join(dir, site), map[string]string{"p-1.dist-info/RECORD": c.record, "p-1.dist-info/METADATA": ""})
		got, err := find(t, dir)
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	// The packages of one Python all hidden: its directories stay.
	dir := t.TempDir()
	plant(t, dir, map[string]string{site + "/p-1.dist-info/RECORD": "../../../bin/p,,\n../../../share/p/x,,\n", "bin/p": "", "share/p/x": "", "lib64 -> lib": ""})
	if got, err := find(t, dir); err != nil || strings.Join(got, " ") != "bin/p p-1.dist-info share/p/x" {
		t.Errorf("all of it: %q, %v", got, err)
	}
	for name, spoil := range map[string]func(dir string){
		"empty":         func(string) {},
		"lib is a link": func(dir string) { must(t, os.Symlink("/usr/lib", filepath.Join(dir, "lib"))) },
		"lib is a file": func(dir string) { must(t, os.WriteFile(filepath.Join(dir, "lib"), nil, 0o644)) },
		"dist-info is a fifo": func(dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, site), 0o755))
			must(t, unix.Mkfifo(filepath.Join(dir, site, "r-1.dist-info"), 0o644))
		},
	} {
		dir := t.TempDir()
		spoil(dir)
		if got, err := find(t, dir); err != nil || len(got) != 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	dir = t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, site, "p-1.dist-info"), 0o755))
	record := filepath.Join(dir, site, "p-1.dist-info/RECORD")
	must(t, unix.Mkfifo(record, 0o644))
	if got, err := find(t, dir); err != nil || strings.Join(got, " ") != "p-1.dist-info" {
		t.Errorf("a record that is a fifo: %q, %v", got, err)
	}
	must(t, os.Remove(record))
	must(t, os.WriteFile(record, nil, 0o644))
	must(t, os.Truncate(record, overlay.MaxRead+1))
	if got, err := find(t, dir); !errors.Is(err, overlay.ErrMaxRead) || len(got) != 0 {
		t.Errorf("a large record: %q, %v", got, err)
	}
}

// The mask is made of whiteouts, in directories that look like the
// environment's own.
func TestMaskWrite(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	plant(t, dir, map[string]string{site + "/p-1.dist-info/RECORD": "p/x.py,,\n../../../bin/p,,\n", site + "/p/x.py": "", site + "/p/mine": "", "bin/p": ""})
	must(t, unix.Chmod(filepath.Join(dir, site, "p"), 0o2750))
	fd, err := os.Open(dir)
	must(t, err)
	defer fd.Close()
	m, err := findMask(fd, []string{"p"}, new(overlay.Budget).Take)
	must(t, err)
	old := unix.Umask(0o077)
	err = m.write(to)
	unix.Umask(old)
	must(t, err)
	for p, want := range map[string]uint32{
		"bin": unix.S_IFDIR | 0o755, "bin/p": unix.S_IFCHR, site: unix.S_IFDIR | 0o755, site + "/p-1.dist-info": unix.S_IFCHR,
		site + "/p": unix.S_IFDIR | 0o2750, site + "/p/x.py": unix.S_IFCHR,
	} {
		var st unix.Stat_t
		must(t, unix.Lstat(filepath.Join(to, p), &st))
		if got := st.Mode; got != want || st.Rdev != 0 {
			t.Errorf("%s: mode %o, want %o; device %#x", p, got, want, st.Rdev)
		}
	}
	if err := m.write(to); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a directory that has one: %v", err)
	}
}
