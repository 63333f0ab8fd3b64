package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
)

// hostTag is a target of this machine.
func hostTag(t testing.TB, python string) string {
	t.Helper()
	var u unix.Utsname
	must(t, unix.Uname(&u))
	return python + "-manylinux_2_36_" + unix.ByteSliceToString(u.Machine[:])
}

// freshStore is a snapshot with one 1.0 for Python 3.12 of this machine, and a profile app that mounts it at
// /opt/venv.
func freshStore(t *testing.T) (store, cfg string) {
	t.Helper()
	hookBinary(t) // made before the clock of an attach runs
	tag := hostTag(t, "cp312")
	path, text := row(t, "3.12.1", tag, "")
	dir := t.TempDir()
	store, cfg = filepath.Join(dir, "store"), filepath.Join(dir, "config.toml")
	must(t, os.Chmod(dir, 0o755))
	publish(t, store, map[string]string{path: text, "by-name/" + tag + "/one/1.0 -> l/000000000001": ""})
	lock := filepath.Join(dir, "app.lock")
	must(t, os.WriteFile(lock, []byte("one==1.0\n"), 0o600))
	must(t, os.WriteFile(cfg, fmt.Appendf(nil, "[profile.app]\nlock = %q\nvenv = \"/opt/venv\"\nviews = []\nview = \"\"\n", lock), 0o600))
	return store, cfg
}

// python is what the hook takes for a Python, below a root: nothing of it can run.
func python(t *testing.T, rootfs, prefix, minor string) {
	t.Helper()
	for name, mode := range map[string]os.FileMode{"bin/python" + minor: 0o755, "lib/python" + minor + "/os.py": 0o644} {
		p := filepath.Join(rootfs, prefix, name)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755))
		must(t, os.WriteFile(p, nil, mode))
	}
}

// A container without an environment at the profile's path gets one there, of its own interpreter and its
// own user, and keeps it when its engine starts it again.
func TestMountHookMakesEnvironment(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for name, tc := range map[string]struct {
		base  int
		owner string
		setup func(f *fake)
	}{
		"missing":        {0, "1000:100", func(*fake) {}},
		"user namespace": {100000, "1000:100", func(*fake) {}},
		"empty": {0, "7:8", func(f *fake) {
			must(t, os.MkdirAll(filepath.Join(f.rootfs, "opt/venv"), 0o755))
			must(t, os.Chown(filepath.Join(f.rootfs, "opt/venv"), 7, 8))
		}},
		"a name that is a link": {0, "1000:100", func(f *fake) {
			must(t, os.Rename(filepath.Join(f.rootfs, "usr/local"), filepath.Join(f.rootfs, "usr/py")))
			must(t, os.MkdirAll(filepath.Join(f.rootfs, "usr/local/bin"), 0o755))
			must(t, os.Symlink("/usr/py/bin/python3.12", filepath.Join(f.rootfs, "usr/local/bin/python3.12")))
		}},
		"many names": {0, "1000:100", func(f *fake) {
			for n := range 20_000 {
				must(t, os.Link(filepath.Join(f.rootfs, "usr/local/bin/python3.12"), filepath.Join(f.rootfs, "usr/local/bin", fmt.Sprint("python3.12.", n))))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			store, cfg := freshStore(t)
			f := start(t, store, "c1", tc.base)
			f.spec(specs.Spec{Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{User: specs.User{UID: 1000, GID: 100}}})
			python(t, f.rootfs, "usr/local", "3.12")
			tc.setup(f)
			if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 0 {
				t.Fatalf("exit %d, %q", status, stderr)
			}
			f.sh(`cd $R/opt/venv && test "$(cat lib/python3.11/site-packages/one/__init__.py)" = "one = 1" && test -d lib/python3.12/site-packages && test -L bin/python3 && grep -q "^version = 3.12$" pyvenv.cfg && echo more > more; cd /`)
			if got := f.sh(`stat -c %u:%g $R/opt/venv $R/opt/venv/pyvenv.cfg $R/opt/venv/bin/python $R/opt/venv/lib/python3.12`); got != strings.Repeat(tc.owner+"\n", 4) {
				t.Errorf("belongs to %q", got)
			}
			want := "/usr/local/bin/python3.12\n"
			if name == "a name that is a link" {
				want = "/usr/py/bin/python3.12\n"
			}
			if got := f.sh(`readlink $R/opt/venv/bin/python`); got != want {
				t.Errorf("made of %q", got)
			}
		})
	}
}

// What was installed into a new environment is there when the container is started again.
func TestMountHookKeepsMadeEnvironment(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store, cfg := freshStore(t)
	f, _ := engineContainer(t, store, filepath.Dir(store), "c1")
	python(t, f.rootfs, "usr/local", "3.12")
	for n := range 3 {
		if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 0 {
			t.Fatalf("attach %d: exit %d, %q", n, status, stderr)
		}
		f.sh(fmt.Sprintf(`cd $R/opt/venv && test -L bin/python && test -e lib/python3.11/site-packages/one/__init__.py && test "$(cat count || true)" = "%s" && echo -n x >> count; cd /`, strings.Repeat("x", n)))
		f.stop()
		f.release()
		f = f.again()
	}
}

// Where no environment can be made the container starts without, one line says why, and what was made for it
// is gone.
func TestMountHookMakesNoEnvironment(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	store, cfg := freshStore(t)
	host := t.TempDir()
	python(t, host, "", "3.12")
	tags := "(it has " + target + ", " + hostTag(t, "cp312") + ")"
	for name, tc := range map[string]struct{ setup, want string }{
		"no Python":           {"", "the snapshot has nothing for a container without Python in /usr/local/bin, /usr/bin, /bin " + tags},
		"another Python":      {"mkdir -p $R/usr/bin $R/usr/lib/python3.9 && touch $R/usr/lib/python3.9/os.py $R/usr/bin/python3.9 && chmod +x $R/usr/bin/python3.9", "nothing for the container's Python 3.9 with glibc " + tags},
		"musl":                {"mkdir -p $R/lib && touch $R/lib/ld-musl-$(uname -m).so.1; P=$R/usr; M=$P/lib/python3.12; mkdir -p $P/bin $M && touch $M/os.py $P/bin/python3.12 && chmod +x $P/bin/python3.12", "Python 3.12 with musl"},
		"a FIFO":              {"mkdir -p $R/usr/bin $R/usr/lib/python3.12 && touch $R/usr/lib/python3.12/os.py && mkfifo -m 777 $R/usr/bin/python3.12", "without Python"},
		"a loop":              {"mkdir -p $R/usr/bin && ln -s python3.12 $R/usr/bin/python3.12", "without Python"},
		"a link out":          {"mkdir -p $R/usr/bin && ln -s ../../../../../../../../../../../../.." + host + "/bin/python3.12 $R/usr/bin/python3.12", "without Python"},
		"an absolute link":    {"mkdir -p $R/usr/bin && ln -s " + host + "/bin/python3.12 $R/usr/bin/python3.12", "without Python"},
		"a magic link":        {"mount --rbind /proc $R/proc; mkdir -p $R/usr/bin && ln -s /proc/1/root" + host + "/bin/python3.12 $R/usr/bin/python3.12", "without Python"},
		"no program":          {"mkdir -p $R/usr/bin $R/usr/lib/python3.12 && touch $R/usr/lib/python3.12/os.py $R/usr/bin/python3.12", "without Python"},
		"a script":            {"mkdir -p $R/usr/bin && touch $R/usr/bin/python3.12 && chmod +x $R/usr/bin/python3.12", "without Python"},
		"a file in its place": {"mkdir $R/opt && touch $R/opt/venv", "not a directory"},
		"a link to nowhere":   {"mkdir $R/opt && ln -s /nowhere $R/opt/venv", "a dangling link is in its way"},
		"a link to /etc":      {"mkdir $R/opt && ln -s ../../../../../etc $R/opt/venv", "is the directory /etc"},
		"files of another":    {"mkdir -p $R/opt/venv && touch $R/opt/venv/precious", "no virtual environment: it has no pyvenv.cfg"},
		"a volume in use":     {"mkdir -p $R/opt $R/vol && touch $R/vol/precious && mount --bind $R/vol $R/opt", "a volume that is in use"},
		"a file on the way":   {"touch $R/opt", "not a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, store, "c1", 0)
			if tc.setup != "" {
				f.sh(tc.setup)
			}
			before := f.sh("cat /proc/self/mountinfo; find $R -xdev")
			status, stderr := f.attach("--config", cfg, "--profile", "app")
			if status != 0 || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d, %q, want %q", status, stderr, tc.want)
			}
			if status, stderr := f.attach("--required", "--config", cfg, "--profile", "app"); status != 1 {
				t.Errorf("required: exit %d, %q", status, stderr)
			}
			if after := f.sh("cat /proc/self/mountinfo; find $R -xdev"); after != before {
				t.Errorf("the container changed:\n%s", difference(before, after))
			}
			f.stop()
			f.release()
		})
	}
}
