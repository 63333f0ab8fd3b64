package bytecode

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/builder/pypi/pypitest"
)

// python is the interpreter of the ordinary tests.
func python(t testing.TB) string {
	t.Helper()
	return ask(t, "python3", "import os, sys; print(os.path.realpath(sys.executable))")
}

// ask runs a line of Python and returns what it prints.
func ask(t testing.TB, exe, program string) string {
	t.Helper()
	out, err := exec.Command(exe, "-c", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func compiler(t testing.TB, exe string, jobs int) *Compiler {
	t.Helper()
	c, err := New(context.Background(), exe, jobs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// compileAll compiles the sources in the given order and returns the digest of each
// one's bytecode.
func compileAll(t testing.TB, c *Compiler, sources map[string][]byte, order []string) map[string][32]byte {
	t.Helper()
	sums := map[string][32]byte{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, path := range order {
		j, err := c.Submit(context.Background(), path, sources[path])
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			code, err := j.Wait(context.Background())
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			sums[path] = sha256.Sum256(code)
		})
	}
	wg.Wait()
	return sums
}

// standardLibrary returns up to n sources of the interpreter's own library, its test
// suite's odd ones included.
func standardLibrary(t testing.TB, exe string, n int) map[string][]byte {
	t.Helper()
	return sourcesBelow(t, ask(t, exe, "import os; print(os.path.dirname(os.__file__))"), n)
}

func sourcesBelow(t testing.TB, dir string, n int) map[string][]byte {
	t.Helper()
	var names []string
	if err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(p, ".py") {
			names = append(names, p)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	sources := map[string][]byte{}
	for _, p := range names[:min(n, len(names))] {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		sources[rel] = b
	}
	return sources
}

// checkDeterminism compiles the sources with one worker in one order, with three in
// others, and with a fresh one in reverse, and compares the bytes.
func checkDeterminism(t *testing.T, exe string, sources map[string][]byte) {
	t.Helper()
	var order []string
	for p := range sources {
		order = append(order, p)
	}
	slices.Sort(order)
	want := compileAll(t, compiler(t, exe, 1), sources, order)
	r := rand.New(rand.NewPCG(3, 4))
	for _, jobs := range []int{3, 1} {
		c := compiler(t, exe, jobs)
		for range 2 {
			r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			got := compileAll(t, c, sources, order)
			bad := 0
			for p, sum := range want {
				if got[p] != sum {
					if bad++; bad <= 5 {
						t.Errorf("%s: other bytecode with %d workers in another order", p, jobs)
					}
				}
			}
			if bad > 5 {
				t.Errorf("and %d more", bad-5)
			}
		}
	}
}

// oddSources are those whose bytecode is the easiest to get wrong.
func oddSources() map[string][]byte {
	return map[string][]byte{
		"none.py":     []byte("def f(x): return x in {None, 'a', 1, ..., True, 2.5, b'x', (), (None, ...)}\n"),
		"set.py":      []byte("x = y in {'" + strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyz", ""), "','") + "'}\n"),
		"numbers.py":  []byte("a=1000;b=1000;c=1000.5;d=1000.5;e=12345678901234567890;f=1j;g=-0.0;h=0.0;i=True\n"),
		"latin.py":    []byte("# coding: latin-1\nx = '\xe9\xe8'\n"),
		"koi8.py":     []byte("# coding: koi8-r\nx = '\xc1'\n"),
		"warn.py":     []byte("x = 1 is 1\ny = '\\d'\nassert (x, 'y')\n"),
		"wide.py":     []byte("x = '\u1234\U0001f600'; y = 'é'; z = '-'; w = ' '\n"),
		"docs.py":     []byte("'''doc'''\nfrom __future__ import annotations\ndef f(a: int, *, b: 'str' = 'x') -> None: 'doc'\n"),
		"same.py":     []byte("def f(): return (1, 2, 'a b')\ndef g(): return (1, 2, 'a b')\n"),
		"empty.py":    nil,
		"names.py":    []byte("import os, sys, gc, marshal\nread = write = flush = path = code = data = status = head = source = magic = tag = limit = 4 << 30\n"),
		"lambdas.py":  []byte("x = [lambda: {1, 2, None}, lambda: (lambda: 3.25)]\n"),
		"python2.py":  []byte("print 'x'\n"),
		"nul.py":      []byte("x = 1\x00\n"),
		"notutf8.py":  []byte("x = '\xff'\n"),
		"encoding.py": []byte("# coding: nonesuch\n"),
		"deep.py":     []byte("x = " + strings.Repeat("(", 300) + strings.Repeat(")", 300) + "\n"),
	}
}

func TestCompilerIsDeterministic(t *testing.T) {
	exe := python(t)
	sources := standardLibrary(t, exe, 80)
	for p, b := range oddSources() {
		sources[p] = b
	}
	checkDeterminism(t, exe, sources)
}

func TestE2ECompilerIsDeterministicOnEveryPython(t *testing.T) {
	wheels := pypitest.Real(t)
	for i, exe := range interpreters(t) {
		t.Run(exe, func(t *testing.T) {
			t.Parallel()
			sources := standardLibrary(t, exe, 600)
			for p, b := range wheelSources(t, wheels, uint64(i), 500) { // others for each
				sources[p] = b
			}
			for p, b := range oddSources() {
				sources[p] = b
			}
			t.Logf("%d sources", len(sources))
			checkDeterminism(t, exe, sources)
		})
	}
}

// interpreters are all the CPythons this host has: on PATH, and in the directories
// of the version manager most used.
func interpreters(t testing.TB) []string {
	t.Helper()
	candidates, err := filepath.Glob(filepath.Join(os.Getenv("PYENV_ROOT"), "versions", "3.*", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		found, err := filepath.Glob(filepath.Join(dir, "python3*"))
		if err != nil {
			t.Fatal(err)
		}
		candidates = append(candidates, found...)
	}
	var list []string
	for _, exe := range candidates {
		out, err := exec.Command(exe, "-c", "import sys, os; print(os.path.realpath(sys.executable), sys.version_info >= (3, 8))").Output()
		if path, ok := strings.CutSuffix(strings.TrimSpace(string(out)), " True"); err == nil && ok && !slices.Contains(list, path) {
			list = append(list, path)
		}
	}
	return list
}

// wheelSources returns n sources spread over the wheels; seed chooses them.
func wheelSources(t testing.TB, wheels []string, seed uint64, n int) map[string][]byte {
	t.Helper()
	var all []string
	read := map[string]func() []byte{}
	for _, name := range wheels {
		z, err := zip.OpenReader(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { z.Close() })
		for _, f := range z.File {
			if !strings.HasSuffix(f.Name, ".py") {
				continue
			}
			path := filepath.Base(name) + "/" + f.Name
			all = append(all, path)
			read[path] = func() []byte {
				r, err := f.Open()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				b, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
		}
	}
	rand.New(rand.NewPCG(5, seed)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	sources := map[string][]byte{}
	for _, p := range all[:min(n, len(all))] {
		sources[p] = read[p]()
	}
	return sources
}

func TestCompilerSkipsWhatDoesNotCompile(t *testing.T) {
	c := compiler(t, python(t), 1)
	for _, name := range []string{"python2.py", "nul.py", "notutf8.py", "encoding.py", "deep.py"} {
		j, err := c.Submit(context.Background(), name, oddSources()[name])
		if err != nil {
			t.Fatal(err)
		}
		if code, err := j.Wait(context.Background()); code != nil || err != nil {
			t.Errorf("%s: %d bytes of code, error %v; want neither", name, len(code), err)
		}
	}
}

// A worker that dies takes no other source with it.
func TestCompilerSurvivesItsWorkers(t *testing.T) {
	exe := python(t)
	for _, tt := range []struct {
		name, program string
		err           bool
	}{
		{"crash", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", false},
		{"killed", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", true},
		{"exit", "import os; os._exit(3)", true},
		{"hang", "import time; time.sleep(600)", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// A compile() that does what some source might make the real one do.
			fake := "def compile(source, path, *a, **k):\n    if path == 'bad.py':\n        " + tt.program + "\n    import builtins\n    return builtins.compile(source, path, *a, **k)\n"
			timeout := time.Minute
			if tt.name == "hang" {
				timeout = time.Second
			}
			c, err := start(context.Background(), exe, 2, fake+workerProgram, timeout)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var jobs []*Job
			for i := range 40 {
				path := "good.py"
				if i == 7 {
					path = "bad.py"
				}
				j, err := c.Submit(context.Background(), path, []byte("x = 1\n"))
				if err != nil {
					t.Fatal(err)
				}
				jobs = append(jobs, j)
			}
			for _, j := range jobs {
				code, err := j.Wait(context.Background())
				if j.path == "good.py" && (err != nil || code == nil) {
					t.Errorf("good.py: %d bytes, %v", len(code), err)
				}
				if j.path == "bad.py" && (code != nil || (err != nil) != tt.err) {
					t.Errorf("bad.py: %d bytes, %v", len(code), err)
				}
			}
		})
	}
}

func TestNewSaysWhyNot(t *testing.T) {
	if _, err := New(context.Background(), "/bin/false", 1); err == nil || !strings.HasPrefix(err.Error(), "start the compiler /bin/false: ") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New(ctx, python(t), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCompilerMagicIsTheInterpreters(t *testing.T) {
	exe := python(t)
	c := compiler(t, exe, 1)
	out := ask(t, exe, "import importlib.util as u; print(int.from_bytes(u.MAGIC_NUMBER, 'little'), u.cache_from_source('a/b.c.py'), u.cache_from_source('a/.py'))")
	fields := strings.Fields(out)
	if got := []string{fmt.Sprint(binary.LittleEndian.Uint32(c.magic[:])), c.CachePath("a/b.c.py"), c.CachePath("a/.py")}; !slices.Equal(got, fields) {
		t.Errorf("%q, the interpreter says %q", got, fields)
	}
}
