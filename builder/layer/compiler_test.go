package layer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// compileAll compiles the sources in the given order and returns the digest of each
// one's bytecode.
func compileAll(t testing.TB, c *Compiler, sources map[string][]byte, order []string) map[string][32]byte {
	t.Helper()
	sums := map[string][32]byte{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, path := range order {
		j, err := c.submit(context.Background(), path, sources[path])
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			code, err := c.wait(context.Background(), j)
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
func standardLibrary(t testing.TB, in Interpreter, n int) map[string][]byte {
	t.Helper()
	lib := strings.TrimSpace(run(t, "", in.Executable, "-c", "import os; print(os.path.dirname(os.__file__))"))
	return sourcesBelow(t, lib, n)
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
func checkDeterminism(t *testing.T, in Interpreter, sources map[string][]byte) {
	t.Helper()
	var order []string
	for p := range sources {
		order = append(order, p)
	}
	slices.Sort(order)
	want := compileAll(t, compiler(t, in, 1), sources, order)
	r := rand.New(rand.NewPCG(3, 4))
	for _, jobs := range []int{3, 1} {
		c := compiler(t, in, jobs)
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
	in := python(t)
	sources := standardLibrary(t, in, 150)
	for p, b := range oddSources() {
		sources[p] = b
	}
	checkDeterminism(t, in, sources)
}

// interpreters are all the CPythons this host has: on PATH, and in the directories
// of the version manager most used.
func interpreters(t testing.TB) []Interpreter {
	t.Helper()
	candidates, err := filepath.Glob(filepath.Join(os.Getenv("PYENV_ROOT"), "versions", "3.*", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields("python3 python3.8 python3.9 python3.10 python3.11 python3.12 python3.13 python3.14") {
		for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
			candidates = append(candidates, filepath.Join(dir, name))
		}
	}
	var list []Interpreter
	seen := map[string]bool{}
	for _, exe := range candidates {
		in, err := Probe(context.Background(), exe)
		if err != nil || seen[in.Executable] {
			continue
		}
		seen[in.Executable] = true
		list = append(list, in)
	}
	return list
}

func TestE2ECompilerIsDeterministicOnEveryPython(t *testing.T) {
	wheels := cachedWheels(t)
	for _, in := range interpreters(t) {
		t.Run(in.Version, func(t *testing.T) {
			sources := standardLibrary(t, in, 1800)
			for p, b := range wheelSources(t, wheels, 1500) {
				sources[p] = b
			}
			for p, b := range oddSources() {
				sources[p] = b
			}
			t.Logf("%s: %d sources", in.Executable, len(sources))
			checkDeterminism(t, in, sources)
		})
	}
}

// wheelSources returns n sources spread over the wheels.
func wheelSources(t testing.TB, wheels []string, n int) map[string][]byte {
	t.Helper()
	var all []string
	read := map[string]func() []byte{}
	for _, name := range wheels {
		w := openWheel(t, name)
		for _, f := range w.Files() {
			if !strings.HasSuffix(f.Name, ".py") {
				continue
			}
			path := w.DistInfo + "/" + f.Name
			all = append(all, path)
			read[path] = func() []byte {
				r, err := w.Open(f)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				b, err := readAll(r, f.Size)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
		}
	}
	rand.New(rand.NewPCG(5, 6)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	sources := map[string][]byte{}
	for _, p := range all[:min(n, len(all))] {
		sources[p] = read[p]()
	}
	return sources
}

func TestCompilerSkipsWhatDoesNotCompile(t *testing.T) {
	c := compiler(t, python(t), 1)
	for _, name := range []string{"python2.py", "nul.py", "notutf8.py", "encoding.py", "deep.py"} {
		j, err := c.submit(context.Background(), name, oddSources()[name])
		if err != nil {
			t.Fatal(err)
		}
		if code, err := c.wait(context.Background(), j); code != nil || err != nil {
			t.Errorf("%s: %d bytes of code, error %v; want neither", name, len(code), err)
		}
	}
}

// A worker that dies takes no other source with it.
func TestCompilerSurvivesItsWorkers(t *testing.T) {
	in := python(t)
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
			c, err := newCompiler(context.Background(), in, 2, fake+workerProgram, timeout)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var jobs []*job
			for i := range 40 {
				path := "good.py"
				if i == 7 {
					path = "bad.py"
				}
				j, err := c.submit(context.Background(), path, []byte("x = 1\n"))
				if err != nil {
					t.Fatal(err)
				}
				jobs = append(jobs, j)
			}
			for _, j := range jobs {
				code, err := c.wait(context.Background(), j)
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

func TestNewCompilerSaysWhyNot(t *testing.T) {
	in := python(t)
	in.Executable = "/bin/false"
	if _, err := NewCompiler(context.Background(), in, 1); err == nil || !strings.HasPrefix(err.Error(), "start the compiler /bin/false: ") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := NewCompiler(ctx, python(t), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestCompilerMagicIsTheInterpreters(t *testing.T) {
	in := python(t)
	c := compiler(t, in, 1)
	out := run(t, "", in.Executable, "-c", "import importlib.util as u; print(int.from_bytes(u.MAGIC_NUMBER, 'little'), u.cache_from_source('a/b.c.py'), u.cache_from_source('a/.py'))")
	fields := strings.Fields(out)
	if got := []string{fmt.Sprint(binary.LittleEndian.Uint32(c.magic[:])), c.cachePath("a/b.c.py"), c.cachePath("a/.py")}; !slices.Equal(got, fields) {
		t.Errorf("%q, the interpreter says %q", got, fields)
	}
}
