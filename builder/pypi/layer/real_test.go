package layer

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
	"larder/builder/pypi/wheel"
)

func TestE2ELayersAreWhatPipLeaves(t *testing.T) {
	in := python(t)
	var names []string
	for _, f := range pypitest.Real(t) {
		n, err := wheel.ParseName(filepath.Base(f))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := in.Tag.Rank(n.Python, n.ABI, n.Platform); ok {
			names = append(names, f)
		}
	}
	t.Logf("%d wheels", len(names))
	for chunk := range slices.Chunk(names, (len(names)+1)/2) { // pip unpacks and compiles on one processor
		t.Run(filepath.Base(chunk[0]), func(t *testing.T) {
			t.Parallel()
			compareWithPip(t, in, chunk)
		})
	}
}

// compareWithPip installs the wheels with pip into one virtual environment, and as
// layers into one directory, and compares the two.
func compareWithPip(t *testing.T, in Interpreter, wheels []string) {
	t.Helper()
	dir := t.TempDir()
	venv, links, layers := filepath.Join(dir, "venv"), filepath.Join(dir, "links"), filepath.Join(dir, "layers")
	if err := os.Mkdir(links, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, dir, in.Executable, "-m", "venv", "--without-pip", venv)
	p := newTree(t)
	c := compiler(t, in, 2)
	args := []string{in.Executable, "-m", "pip", "--python", venv + "/bin/python", "install", "-q", "--no-deps", "--no-index", "--find-links", links}
	for _, name := range wheels {
		w := openWheel(t, name)
		files, err := Build(context.Background(), w, in.Tag, c, p.put)
		if err != nil {
			t.Errorf("%s: %v", w.Filename, err)
			continue
		}
		p.unpack(layers, files)
		if err := os.Symlink(name, filepath.Join(links, w.Filename)); err != nil {
			t.Fatal(err)
		}
		args = append(args, w.Metadata.Name+"=="+w.Metadata.Version)
	}
	run(t, dir, args...)
	out := run(t, dir, in.Executable, "-c", compareScript, layers, venv, "lib/python"+in.Tag.Python()+"/site-packages")
	for line := range strings.Lines(out) {
		if s, ok := strings.CutPrefix(line, "ok "); ok {
			t.Log(strings.TrimSpace(s))
		} else {
			t.Error(strings.TrimSpace(line))
		}
	}
}

// compareScript compares a layer's tree (argument 1) with a virtual environment
// that pip installed into (2), and prints a line for every difference that is not
// one of those in the package comment.
const compareScript = `
import csv, importlib.machinery, io, marshal, os, stat, sys, types
layers, venv, lib = sys.argv[1:]

def tree(top):
    found = {}
    for d, dirs, files in os.walk(top):
        for f in files:
            p = os.path.join(d, f)
            found[os.path.relpath(p, top)] = p
    return found

def installed(p, name):
    return os.path.dirname(os.path.dirname(p)) == lib and p.endswith(".dist-info/" + name)

ours, pips = tree(layers), tree(venv)
own = {p for p in pips if p == "pyvenv.cfg" or p.startswith("bin/") and (
    os.path.basename(p).lower().startswith("activate") or os.path.islink(pips[p]))}
own.add(".gitignore")
for p in sorted(ours.keys() - pips.keys()):
    print("only in the layer:", p)
for p in sorted(pips.keys() - ours.keys() - own):
    if not installed(p, "REQUESTED"):
        print("only with pip:", p)

def read(p):
    with open(p, "rb") as f:
        return f.read()

def same_code(a, b):
    if type(a) != type(b):
        return False
    if isinstance(a, types.CodeType):
        names = [n for n in dir(a) if n.startswith("co_") and n not in ("co_filename", "co_positions", "co_lines", "co_lnotab", "co_branches")]
        return all(same_code(getattr(a, n), getattr(b, n)) for n in names)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same_code, a, b))
    return a == b or a != a and b != b

rows = lambda b: sorted(map(tuple, csv.reader(io.StringIO(b.decode(), newline=""))))
scripts = 0
both = sorted(ours.keys() & pips.keys())
records = {}
changed = set()
for p in both:
    a, b = read(ours[p]), read(pips[p])
    if stat.S_IMODE(os.stat(ours[p]).st_mode) != stat.S_IMODE(os.stat(pips[p]).st_mode):
        print("mode differs:", p, oct(os.stat(ours[p]).st_mode), oct(os.stat(pips[p]).st_mode))
    if p.endswith(".pyc"):
        stem = p.replace("__pycache__/", "").rsplit(".", 2)[0]
        sources = [s for s in (stem + ".py", stem[:-2] + ".py") if s in ours]
        if a != b and (not sources or read(ours[sources[0]]) == read(pips[sources[0]]) and (
                a[:8] != b[:8] or not same_code(marshal.loads(a[16:]), marshal.loads(b[16:])))):
            print("bytecode differs:", p)
        continue
    if installed(p, "RECORD"):
        requested = p[len(lib) + 1:-len("RECORD")] + "REQUESTED"
        records[p] = rows(a), [r for r in rows(b) if r[0] != requested]
        if a.count(b"\r\n") != a.count(b"\n") or rows(a) != [tuple(r) for r in csv.reader(io.StringIO(a.decode(), newline=""))]:
            print("not as the csv module writes it, sorted:", p)
        continue
    if a == b:
        continue
    # Entry points and rewritten scripts: what follows the line that names the
    # interpreter, and for entry points pip's template of another age, aside.
    first, rest = b.split(b"\n", 1) if b"\n" in b else (b, b"")
    if p.startswith("bin/") and first.startswith(b"#!" + venv.encode()):
        body = a.split(b"\n", 1)[1]
        if b"''':'\n" in body:
            head, tail = body.split(b"''':'\n", 1)
            body = head + tail.split(b"\n'''\n", 1)[1]
        norm = lambda s: [l for l in s.splitlines() if l and not l.startswith(b"'''exec' ") and l not in (b"' '''",
            b"# -*- coding: utf-8 -*-", b"import re", b"import sys", b"    if sys.argv[0].endswith('.exe'):",
            b"        sys.argv[0] = sys.argv[0][:-4]", b"    sys.argv[0] = sys.argv[0].removesuffix('.exe')",
            b"    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])")]
        if norm(body) == norm(rest):
            scripts += 1
            changed.add(p)
            continue
    print("content differs:", p)
for p, (a, b) in records.items():
    base = os.path.join(layers, lib)
    for ra, rb in zip(a, b):
        if ra == rb:
            continue
        target = os.path.relpath(os.path.normpath(os.path.join(base, ra[0])), layers)
        if ra[0] == rb[0] and target in changed:
            continue
        print("RECORD differs:", p, ra, rb)
        break
    if len(a) != len(b):
        print("RECORD has another number of rows:", p, len(a), len(b))

# The interpreter must take our bytecode for current, for every source.
class Loader(importlib.machinery.SourceFileLoader):
    def source_to_code(self, *a, **k):
        raise ImportError("stale")
current = 0
for p in both:
    pyc = os.path.join(os.path.dirname(p), "__pycache__", os.path.basename(p)[:-3] + "." + sys.implementation.cache_tag + ".pyc")
    if p.endswith(".py") and pyc in ours:
        try:
            Loader("x", ours[p]).get_code("x")
            current += 1
        except ImportError:
            print("bytecode not accepted:", p)
print("ok %d files alike, %d of them scripts, %d bytecode files accepted, %d RECORDs" % (len(both), scripts, current, len(records)))
`
