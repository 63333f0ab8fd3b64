package source_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"larder/builder/pypi/source"
	"larder/builder/pypi/wheel"
	"larder/builder/sandbox"
	"larder/snapshot"
)

// A source whose back end is its own is made, its recipe alone makes it again, and both interpreters
// of the host, a distribution's and one that was built by hand, do.
func TestMountBuild(t *testing.T) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		t.Run(strings.ReplaceAll(python, "/", "_"), func(t *testing.T) {
			b := open(t, python, nil)
			tree := demo(`return pack(out, {"demo.py": open("demo.py").read(), "path.txt": "\n".join(sys.path)})`)
			s := sourceOf(pack(t, tree))
			w, attempts, err := b.Build(t.Context(), s)
			if err != nil {
				t.Fatal(err, attempts)
			}
			defer w.Close()
			if w.Filename != "demo-1.0-py3-none-any.whl" || w.Kind != snapshot.Pure || len(attempts) > 0 {
				t.Errorf("%+v, %v", w, attempts)
			}
			x, err := wheel.Open(w, w.Size, w.Filename)
			if err != nil || x.Verify() != nil {
				t.Fatal(err)
			}
			for _, dir := range strings.Split(textOf(t, x, "path.txt"), "\n") {
				if strings.HasSuffix(dir, "-packages") && !strings.HasPrefix(dir, "/env/") {
					t.Errorf("the build imports from %s", dir)
				}
			}
			recipe, err := source.ParseRecipe(w.Recipe.Encode())
			if err != nil {
				t.Fatal(err)
			}
			again, err := b.Make(t.Context(), s, recipe)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if again.Digest != w.Digest {
				t.Errorf("%s, then %s", w.Digest, again.Digest)
			}
			all, err := io.ReadAll(again)
			if err != nil || snapshot.Sum(all) != w.Digest {
				t.Errorf("the digest is not of the bytes (%v)", err)
			}
			zipped, _, err := b.Build(t.Context(), sourceOf(packZip(t, tree)))
			if err != nil {
				t.Fatal(err)
			}
			defer zipped.Close()
			if zipped.Digest != w.Digest || zipped.Recipe.ID() == w.Recipe.ID() {
				t.Errorf("a zip of the same tree: %s and %s", zipped.Digest, w.Digest)
			}
			other := s
			other.Digest = snapshot.Sum(nil)
			if _, err := b.Make(t.Context(), other, recipe); !errors.Is(err, source.ErrRecipe) {
				t.Errorf("the recipe of another source: %v", err)
			}
		})
	}
}

func textOf(t *testing.T, w *wheel.Wheel, name string) string {
	t.Helper()
	for _, f := range w.Files() {
		if f.Path == name {
			r, err := w.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
	}
	t.Fatalf("no %s", name)
	return ""
}

// Each of these is refused for its reason, and nothing is left.
func TestMountHostile(t *testing.T) {
	b := open(t, "python3", nil)
	for name, c := range map[string]struct{ build, reason, detail string }{
		"another project":      {`return pack(out, {"a.py": ""}, name="other")`, source.WrongName, "other-1.0"},
		"another version":      {`return pack(out, {"a.py": ""}, version="2.0")`, source.WrongName, "demo-2.0"},
		"two wheels":           {`pack(out, {"a.py": ""}, version="2.0"); return pack(out, {"a.py": ""})`, source.BadWheel, "more than one"},
		"none":                 {`return "demo-1.0-py3-none-any.whl"`, source.BadWheel, "no wheel"},
		"a link":               {`os.symlink("/etc/passwd", out + "/demo-1.0-py3-none-any.whl")`, source.BadWheel, "no regular file"},
		"a directory":          {`os.mkdir(out + "/demo-1.0-py3-none-any.whl")`, source.BadWheel, "no regular file"},
		"a pipe":               {`os.mkfifo(out + "/demo-1.0-py3-none-any.whl")`, source.BadWheel, "no regular file"},
		"no wheel by name":     {`open(out + "/a\n.txt", "w").close()`, source.BadWheel, ".whl"},
		"no zip":               {`open(out + "/demo-1.0-py3-none-any.whl", "w").write("x" * 100)`, source.BadWheel, "zip"},
		"a path up":            {`return pack(out, {"../a.py": ""})`, source.BadWheel, "a.py"},
		"random":               {`return pack(out, {"a.py": repr(os.urandom(8))})`, source.NotRepeatable, `"a.py"`},
		"the clock":            {`return pack(out, {"a.py": "", "b.py": time.strftime("%Y")})`, source.NotRepeatable, `"b.py"`},
		"the date":             {`return pack(out, {"a.py": datetime.date.today().isoformat()})`, source.NotRepeatable, `"a.py"`},
		"a child's clock":      {`return pack(out, {"a.py": subprocess.check_output([sys.executable, "-c", "import time; print(time.gmtime()[0])"])})`, source.NotRepeatable, `"a.py"`},
		"one more file":        {`return pack(out, {"a.py": "", **({"b.py": ""} if time.gmtime()[0] > 2027 and os.path.exists("/clock/sitecustomize.py") else {})})`, source.NotRepeatable, `"b.py"`},
		"a name by the clock":  {`return pack(out, {"a.py": ""}, tag="py3" + ("9" if os.path.exists("/clock/sitecustomize.py") else "") + "-none-any")`, source.NotRepeatable, "name"},
		"machine code by name": {`return pack(out, {"a.py": ""}, tag="py3-none-linux_x86_64")`, source.MachineCode, "linux_x86_64"},
		"machine code inside":  {`return pack(out, {"a/b.so": "\x7fELF" + "0" * 100})`, source.MachineCode, `"a/b.so"`},
		"another Python":       {`return pack(out, {"a.py": ""}, tag="py2-none-any")`, source.WrongTarget, "py2"},
		"network":              {`import urllib.request; urllib.request.urlopen("http://127.0.0.1:9/")`, source.NeedsNetwork, ""},
		"names":                {`import socket; socket.getaddrinfo("host.invalid", 80)`, source.NeedsNetwork, ""},
		"named program":        {`raise SystemExit("Error: pg_config executable not found.\\n\\nIt is needed:\\n<https://example.org>).")`, source.MissingProgram, "pg_config"},
		"compiler":             {`subprocess.check_call(["cc", "-c", "x.c"])`, source.MissingProgram, "cc"},
		"header":               {`print("x.c:1:10: fatal error: foo/bar.h: No such file or directory\ncompilation terminated."); sys.exit(1)`, source.MissingHeader, "bar.h"},
		"an error":             {"raise ValueError('no\\tgood\\x1b[0m')", source.BuildFailed, "ValueError: no good [0m"},
		"silence":              {`sys.exit(7)`, source.BuildFailed, "status 7"},
		"a flood":              {`print("x" * (4 << 20))`, source.Limit, "log"},
	} {
		t.Run(name, func(t *testing.T) {
			w, attempts, err := b.Build(t.Context(), sourceOf(pack(t, demo(c.build))))
			var f *source.Failure
			if !errors.As(err, &f) || f.Reason != c.reason || !strings.Contains(f.Detail, c.detail) || strings.ContainsAny(f.Detail, "\n\x1b") {
				t.Fatalf("%v, %v", w, err)
			}
			if len(attempts) != 1 || *attempts[0].Failure != *f || attempts[0].Recipe.Source.IsZero() {
				t.Errorf("attempts %v", attempts)
			}
		})
	}
}

// What is no sound archive never reaches the sandbox.
func TestBadSource(t *testing.T) {
	b := open(t, "python3", func(c *source.Config) { c.Sandbox = nil })
	bad := pack(t, map[string]string{"setup.py": "", "../../x": ""})
	_, attempts, err := b.Build(t.Context(), sourceOf(bad))
	var f *source.Failure
	if !errors.As(err, &f) || f.Reason != source.BadSource || len(attempts) > 0 {
		t.Errorf("%v, %v", attempts, err)
	}
	s := sourceOf(bad)
	s.Digest = snapshot.Sum(nil)
	if _, _, err := b.Build(t.Context(), s); err == nil || errors.As(err, &f) || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("another digest: %v", err)
	}
	s.Open = func() (io.ReadCloser, error) { return nil, os.ErrPermission }
	if _, _, err := b.Build(t.Context(), s); !errors.Is(err, os.ErrPermission) {
		t.Errorf("a source that cannot be opened: %v", err)
	}
}

// ending is a sandbox in which a build meets the end of all.
type ending struct {
	source.Sandbox
	end func()
}

func (e ending) Run(ctx context.Context, s sandbox.Spec) (*sandbox.Result, error) {
	e.end()
	return e.Sandbox.Run(ctx, s)
}

// What ends all builds, such as another source that fails, is no failure of those that were on their way:
// it would be remembered, and they not tried again.
func TestMountEndedByAnother(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	b := open(t, "python3", func(c *source.Config) {
		c.Sandbox = ending{c.Sandbox, func() { cancel(&source.Failure{Reason: source.BuildFailed, Detail: "another's"}) }}
	})
	s := sourceOf(pack(t, demo(`return pack(out, {"a.py": ""})`)))
	w, attempts, err := b.Build(ctx, s)
	var f *source.Failure
	if w != nil || !errors.Is(err, context.Canceled) || errors.As(err, &f) || len(attempts) > 0 {
		t.Errorf("%v, %v, %v", w, attempts, err)
	}
}

// A recipe that is known to fail is not tried.
func TestFailed(t *testing.T) {
	known := &source.Failure{Reason: source.Limit, Detail: "time"}
	b := open(t, "python3", func(c *source.Config) {
		c.Sandbox = nil
		c.Failed = func(snapshot.Digest) *source.Failure { return known }
	})
	_, attempts, err := b.Build(t.Context(), sourceOf(pack(t, demo(`pass`))))
	var f *source.Failure
	if !errors.As(err, &f) || f != known || len(attempts) > 0 {
		t.Errorf("%v, %v", attempts, err)
	}
}
