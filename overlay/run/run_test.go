//go:build linux

package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/attach"
	"larder/overlay/instance"
	"larder/overlay/keep"
	"larder/overlay/overlaytest"
	"larder/overlay/pypi"
	"larder/overlay/run"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	details "larder/snapshot/pypi"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func init() { ecosystem.Register(virtual()) }

func virtual() ecosystem.Ecosystem {
	e := details.Ecosystem
	e.Environments = pypi.Environments
	return e
}

var files = map[string]string{
	"views/pip/http-v2/a/body":                                    "new wheel",
	"views/pip/selfcheck":                                         "from the snapshot",
	"views/wheels/wheels/b":                                       "old wheel",
	"views/pip-old/http/b":                                        "of older pips",
	"l/000000000001/lib/python3.11/site-packages/one.py":          "print('one')\n",
	"l/000000000002/lib/python3.11/site-packages/two.py":          "print('two')\n",
	"l/000000000002/bin/two*":                                     "#!/bin/sh\necho two\n",
	"l/00000000000f/lib/python3.11/site-packages/pip/__main__.py": "print('pip')\n",
	"manifest.json":                                               "{}",
}

// world is a host: a snapshot, a run directory, a home.
type world struct {
	t        *testing.T
	c        run.Config
	home     string
	warnings []string
}

func newWorld(t *testing.T) *world {
	// A tree other users can reach: t.TempDir is 0777 below a 0700 parent? No:
	// below /tmp, each 0755.
	addTargets(files)
	s := overlaytest.New(t, t.TempDir(), files)
	w := &world{t: t, home: t.TempDir()}
	w.c = run.Config{
		Env:      []string{"HOME=" + w.home, "PATH=/usr/bin:/bin"},
		User:     run.User{Home: w.home},
		Snapshot: keep.Snapshot{ID: "0123456789abcdef", Image: s.Image, Objects: s.Objects},
		Measure:  true,
		RunDir:   keep.Dir(filepath.Join(t.TempDir(), "run")),
		Warn:     func(line string) { w.warnings = append(w.warnings, line) },
	}
	return w
}

// Two targets of Python 3.11: the second has an installer.
const (
	plain   = "cp311-manylinux_2_17_x86_64"
	withPip = "cp311-manylinux_2_36_x86_64"
)

// lock mounts pins ("one==1") on the environment at dir; "" for a new one, of python.
func (w *world) lock(target, dir, python string, pins ...string) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "requirements.txt")
	must(w.t, os.WriteFile(path, []byte(strings.Join(pins, "\n")+"\n"), 0o644))
	w.c.Locks = &attach.Locks{
		Ecosystem: virtual(), Paths: []string{path}, Files: ecosystem.Host{}, Dir: dir, Target: target,
		Made: map[string]string{target: python}, Getenv: func(string) string { return "" },
		Found: func(_ snapshot.Target, _ *snapshot.Requirements, found snapshot.Environment) ([]snapshot.Pin, error) {
			return found.Missing, nil
		},
	}
}

func addTargets(files map[string]string) {
	for target, installer := range map[string]string{plain: "", withPip: "00000000000f"} {
		row, err := json.Marshal(details.Target{Python: "3.11.7"}.Row(target, installer))
		if err != nil {
			panic(err)
		}
		files[snapshot.TargetPath(target)] = string(row)
		for link, to := range map[string]string{snapshot.NoBuilt.ByName(target, "one", "1"): "l/000000000001", snapshot.NoBuilt.ByName(target, "two", "2"): "l/000000000002"} {
			files[link+" -> "+snapshot.LinkTarget(link, to)] = ""
		}
	}
}

// sh runs a script and returns its standard output and status.
func (w *world) sh(script string) (string, run.Report) {
	w.t.Helper()
	if w.c.Instance == nil {
		i, err := instance.Create(filepath.Join(w.t.TempDir(), "instance"))
		must(w.t, err)
		defer func() { i.Close(); w.c.Instance = nil }()
		w.c.Instance = i
	}
	r, out, err := w.try("sh", "-c", script)
	must(w.t, err)
	return out, r
}

// try runs a command with its standard output in a file.
func (w *world) try(command ...string) (run.Report, string, error) {
	w.t.Helper()
	w.c.Command = command
	f, err := os.CreateTemp(w.t.TempDir(), "out")
	must(w.t, err)
	defer f.Close()
	old := os.Stdout
	os.Stdout = f
	r, err := run.Run(context.Background(), w.c)
	os.Stdout = old
	b, readErr := os.ReadFile(f.Name())
	must(w.t, readErr)
	return r, string(b), err
}

func TestMountRunShowsBothCaches(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t)
	w.c.Required = true
	cache := filepath.Join(w.home, ".cache/pip")
	must(t, os.MkdirAll(filepath.Join(cache, "wheels"), 0o755))
	must(t, os.WriteFile(filepath.Join(cache, "wheels/mine"), []byte("mine"), 0o644))
	must(t, os.WriteFile(filepath.Join(cache, "selfcheck"), []byte("old"), 0o644))
	before, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	out, r := w.sh(`cd ~/.cache/pip && cat http-v2/a/body wheels/b wheels/mine selfcheck &&
		echo changed > http-v2/a/body && rm wheels/mine && mkdir http-v2/new && echo x > http-v2/new/y && ls http-v2 &&
		cat $LARDER_VIEW/views/pip/http-v2/a/body && ! touch $LARDER_VIEW/x 2>/dev/null && stat -f -c %T $LARDER_VIEW && grep -c larder: /proc/self/mountinfo
		grep ' larder:' /proc/self/mountinfo; exit 42`)
	t.Log(out)
	want := "new wheelold wheelminefrom the snapshot"
	if !strings.HasPrefix(out, want) || !strings.Contains(out, "a\nnew\nnew wheel") {
		t.Errorf("the command saw:\n%s", out)
	}
	for _, hidden := range []string{w.c.Snapshot.Image, w.c.Snapshot.Objects, filepath.Dir(w.c.Snapshot.Image)} {
		if strings.Contains(out, hidden) {
			t.Errorf("mountinfo shows %s", hidden)
		}
	}
	if r.Status != 42 || r.Signaled {
		t.Errorf("status %d, want 42", r.Status)
	}
	if len(r.Mounts) != 1 || r.Mounts[0].Lowers != 3 || r.Mounts[0].UpperFiles != 7 {
		t.Errorf("mounts: %+v", r.Mounts)
	}
	after, err := os.ReadFile("/proc/self/mountinfo")
	must(t, err)
	if !bytes.Equal(before, after) {
		t.Errorf("the mount table changed:\n%s", after)
	}
	for path, want := range map[string]string{cache + "/wheels/mine": "mine", cache + "/selfcheck": "old"} {
		if b, err := os.ReadFile(path); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
	if len(w.warnings) > 0 {
		t.Errorf("warnings: %q", w.warnings)
	}
	out, _ = w.sh(`cat ~/.cache/pip/http-v2/a/body; ls ~/.cache/pip/http-v2`)
	if out != "new wheela\n" {
		t.Errorf("the next command saw %q", out)
	}
}

func TestMountRunAsAnotherUser(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t)
	w.c.Required = true
	w.c.User = run.User{Name: "someone", Home: w.home, Owner: overlay.Owner{UID: 12345, GID: 54321}, Groups: []int{54321, 777}, Switch: true}
	must(t, os.Chown(w.home, 12345, 54321))
	for d := filepath.Dir(w.home); d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	for _, kept := range []bool{false, true} {
		if kept {
			must(t, w.c.RunDir.Mount(t.Context(), w.c.Snapshot, w.c.User.Owner))
			defer w.c.RunDir.UnmountAll(context.Background(), w.c.Snapshot.Objects)
		}
		out, r := w.sh(`id -u; id -g; id -G; echo $HOME; stat -c '%u:%g %a' ~/.cache ~/.cache/pip ~/.cache/pip/http-v2 ~/.cache/pip/http-v2/a/body
			echo new > ~/.cache/pip/http-v2/a/body && mkdir ~/.cache/pip/http-v2/c && rm ~/.cache/pip/wheels/b && cat ~/.cache/pip/http-v2/a/body`)
		want := "12345\n54321\n54321 777\n" + w.home + "\n12345:54321 700\n12345:54321 700\n12345:54321 755\n12345:54321 644\nnew\n"
		if out != want || r.Status != 0 {
			t.Errorf("status %d, output:\n%swant:\n%s", r.Status, out, want)
		}
		if kept && r.Tree != keep.FromTree {
			t.Errorf("tree from %q, want a kept one", r.Tree)
		}
	}
}

func TestMountRunPrivateEnvironment(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t)
	w.c.Required = true
	python, err := filepath.EvalSymlinks("/usr/bin/python3")
	if err != nil {
		python = "/bin/sh"
	}
	w.c.Env = append(w.c.Env, "PYTHONHOME=/nowhere")
	w.lock(withPip, "", python, "one==1", "two==2", "three==3")
	out, r := w.sh(`echo "$VIRTUAL_ENV" "$PYTHONHOME"; cd $VIRTUAL_ENV; two; cat lib64/python3.11/site-packages/one.py pyvenv.cfg; readlink bin/python bin/python3.11
		echo x > lib/python3.11/site-packages/straggler.py; ls lib/python3.11/site-packages`)
	t.Log(out)
	env := string(w.c.RunDir) + "/env"
	if !strings.HasPrefix(out, env+" \ntwo\nprint('one')\nhome = "+filepath.Dir(python)+"\n") || !strings.HasSuffix(out, "one.py\npip\nstraggler.py\ntwo.py\n") {
		t.Errorf("output:\n%s", out)
	}
	if m := r.Mounts[len(r.Mounts)-1]; m.Point != env || m.Lowers != 4 || m.UpperFiles != 7 { // 3 of them pip wrote: its own bytecode
		t.Errorf("mount: %+v", m)
	}
}

func TestMountRunOnVenv(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t)
	w.c.Required = true
	dir := filepath.Join(t.TempDir(), ".venv")
	must(t, os.MkdirAll(filepath.Join(dir, "lib/python3.11/site-packages"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte("home = /usr/bin\nversion = 3.11.7\n"), 0o644))
	w.lock(plain, dir, "", "one==1", "two==2")
	i, err := instance.Keep(filepath.Join(t.TempDir(), "kept"))
	must(t, err)
	defer i.Close()
	w.c.Instance = i
	out, _ := w.sh(`cat pyvenv.cfg 2>/dev/null; cd $VIRTUAL_ENV && cat pyvenv.cfg && ls lib/python3.11/site-packages && echo kept > kept`)
	if out != "home = /usr/bin\nversion = 3.11.7\none.py\ntwo.py\n" {
		t.Errorf("output: %q", out)
	}
	if out, _ = w.sh(`cat $VIRTUAL_ENV/kept`); out != "kept\n" {
		t.Errorf("second run: %q", out)
	}
	w.lock(plain, dir, "", "one==1")
	if _, _, err := w.try("true"); !errors.Is(err, overlay.ErrRefused) {
		t.Errorf("other lowers: %v", err)
	} else {
		t.Log(err)
	}
	// Called from below the mount point, the command sees the view there too.
	w.lock(plain, dir, "", "one==1", "two==2")
	t.Chdir(filepath.Join(dir, "lib"))
	if out, _ := w.sh(`ls python3.11/site-packages`); out != "one.py\ntwo.py\n" {
		t.Errorf("from below the mount point: %q", out)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "lib/python3.11/site-packages"))
	must(t, err)
	if len(entries) != 0 {
		t.Errorf("the environment's own directory changed: %v", entries)
	}
}

// A user plants links where root is about to make and mount things.
func TestMountRunRefusesPlantedLinks(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	const uid = 12345
	for name, plant := range map[string]func(home, victim string){
		"cache to a directory of root's": func(home, victim string) { must(t, os.Symlink(victim, home+"/.cache")) },
		"cache/pip to a directory of root's": func(home, victim string) {
			must(t, os.Mkdir(home+"/.cache", 0o700))
			must(t, os.Symlink(victim, home+"/.cache/pip"))
		},
		"dangling into a directory of root's": func(home, victim string) { must(t, os.Symlink(victim+"/made", home+"/.cache")) },
		"magic link":                          func(home, victim string) { must(t, os.Symlink("/proc/self/root/etc", home+"/.cache")) },
		"file":                                func(home, victim string) { must(t, os.WriteFile(home+"/.cache", nil, 0o644)) },
		"fifo":                                func(home, victim string) { must(t, unix.Mkfifo(home+"/.cache", 0o644)) },
		"root's own directory": func(home, victim string) {
			must(t, os.Mkdir(home+"/.cache", 0o755))
			must(t, os.Mkdir(home+"/.cache/pip", 0o755))
		},
		"a directory the user may not write": func(home, victim string) { must(t, os.Chown(home, 0, 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			victim := t.TempDir()
			w.c.User = run.User{Home: w.home, Owner: overlay.Owner{UID: uid, GID: uid}, Switch: true}
			must(t, os.Chown(w.home, uid, uid))
			plant(w.home, victim)
			if st, err := os.Lstat(w.home + "/.cache"); err == nil && st.Mode()&os.ModeSymlink != 0 {
				must(t, os.Lchown(w.home+"/.cache", uid, uid))
			}
			if st, err := os.Lstat(w.home + "/.cache/pip"); err == nil && st.Mode()&os.ModeSymlink != 0 {
				must(t, os.Lchown(w.home+"/.cache/pip", uid, uid))
			}
			_, r := w.sh("exit 3")
			if r.Status != 3 || len(w.warnings) != 1 || len(r.Mounts) != 0 {
				t.Errorf("best effort: status %d, mounts %v, warnings %q", r.Status, r.Mounts, w.warnings)
			}
			t.Log(w.warnings)
			if entries, err := os.ReadDir(victim); err != nil || len(entries) > 0 {
				t.Errorf("the victim's directory: %v, %v", entries, err)
			}
			i, err := instance.Create(filepath.Join(t.TempDir(), "i"))
			must(t, err)
			defer i.Close()
			w.c.Required, w.c.Instance = true, i
			// Who may make no cache lacks none; the rest is asked for.
			none := name == "a directory the user may not write"
			if _, _, err := w.try("true"); (err == nil) != none {
				t.Errorf("required: %v", err)
			}
		})
	}
}

func TestMountRunStatus(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t)
	script := filepath.Join(t.TempDir(), "script")
	must(t, os.WriteFile(script, []byte("#!/no/such/interpreter\n"), 0o755))
	plain := filepath.Join(t.TempDir(), "plain")
	must(t, os.WriteFile(plain, []byte("x"), 0o644))
	for _, c := range []struct {
		command []string
		status  int
		err     error
	}{
		{[]string{"true"}, 0, nil},
		{[]string{"sh", "-c", "exit 255"}, 255, nil},
		{[]string{"sh", "-c", "kill -9 $$"}, 137, nil},
		{[]string{"sh", "-c", "kill -TERM $$"}, 143, nil},
		{[]string{"no-such-command-at-all"}, 0, run.ErrNotFound},
		{[]string{"/no/such/command"}, 0, run.ErrNotFound},
		{[]string{script}, 0, run.ErrNotFound},
		{[]string{plain}, 0, run.ErrNotExecutable},
		{[]string{"/tmp"}, 0, run.ErrNotExecutable},
	} {
		for _, attached := range []bool{true, false} {
			id := w.c.Snapshot.ID
			if !attached {
				w.c.Snapshot.ID = ""
			}
			i, err := instance.Create(filepath.Join(t.TempDir(), "i"))
			must(t, err)
			w.c.Instance = i
			r, _, err := w.try(c.command...)
			i.Close()
			w.c.Snapshot.ID = id
			if r.Status != c.status || !errors.Is(err, c.err) || r.Signaled != (c.status == 137 || c.status == 143) {
				t.Errorf("%v (attached %v): %+v, %v; want %d, %v", c.command, attached, r, err, c.status, c.err)
			}
		}
	}
}

// A home on stacked file systems: its own cache cannot be a lower, and its
// virtual environment gives way to a private one.
func TestMountRunOnStackedFileSystems(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t)
	base, deep := t.TempDir(), t.TempDir()
	for _, d := range []string{"l1", "u1", "w1", "m1", "u2", "w2"} {
		must(t, os.Mkdir(filepath.Join(base, d), 0o755))
	}
	must(t, os.MkdirAll(filepath.Join(base, "l1/.cache/pip"), 0o755))
	must(t, os.WriteFile(filepath.Join(base, "l1/.cache/pip/own"), nil, 0o644))
	must(t, os.MkdirAll(filepath.Join(base, "l1/venv/bin"), 0o755))
	must(t, unix.Mount("overlay", base+"/m1", "overlay", 0, "lowerdir="+base+"/l1,upperdir="+base+"/u1,workdir="+base+"/w1"))
	must(t, unix.Mount("overlay", deep, "overlay", 0, "lowerdir="+base+"/m1,upperdir="+base+"/u2,workdir="+base+"/w2"))
	t.Cleanup(func() { must(t, unix.Unmount(deep, 0)); must(t, unix.Unmount(base+"/m1", 0)) })
	w.home, w.c.User.Home, w.c.Env = deep, deep, []string{"HOME=" + deep, "PATH=/usr/bin:/bin"}
	python, err := filepath.EvalSymlinks("/usr/bin/python3")
	must(t, err)
	must(t, os.WriteFile(deep+"/venv/pyvenv.cfg", []byte("version = 3.11.7\n"), 0o644))
	w.lock(plain, deep+"/venv", python, "two==2")
	out, r := w.sh(`ls ~/.cache/pip; echo $VIRTUAL_ENV; two`)
	if out != "http-v2\nselfcheck\nwheels\n"+string(w.c.RunDir)+"/env\ntwo\n" || r.Status != 0 {
		t.Errorf("status %d, output %q", r.Status, out)
	}
	if len(w.warnings) != 2 {
		t.Errorf("warnings: %q", w.warnings)
	}
	t.Log(w.warnings)
}

// A mount below the mount point would vanish: refused. A run inside a run finds
// its views there already.
func TestMountRunInOddPlaces(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	w := newWorld(t)
	below := filepath.Join(w.home, ".cache/pip/wheels")
	must(t, os.MkdirAll(below, 0o755))
	must(t, unix.Mount("tmpfs", below, "tmpfs", 0, ""))
	out, r := w.sh("ls ~/.cache/pip")
	if out != "wheels\n" || r.Status != 0 || len(w.warnings) != 1 || !strings.Contains(w.warnings[0], below) {
		t.Errorf("output %q, warnings %q", out, w.warnings)
	}
	must(t, unix.Unmount(below, 0))

	// The cache directory is itself a mount: its content is the lowest lower.
	w.warnings = nil
	must(t, unix.Mount("tmpfs", filepath.Join(w.home, ".cache/pip"), "tmpfs", 0, ""))
	must(t, os.WriteFile(filepath.Join(w.home, ".cache/pip/volume"), nil, 0o644))
	if out, _ := w.sh("ls ~/.cache/pip"); out != "http-v2\nselfcheck\nvolume\nwheels\n" || len(w.warnings) != 0 {
		t.Errorf("output %q, warnings %q", out, w.warnings)
	}
	must(t, unix.Unmount(filepath.Join(w.home, ".cache/pip"), 0))

	for env, want := range map[string]string{
		"PIP_CACHE_DIR=" + w.home + "/elsewhere":  w.home + "/elsewhere",
		"XDG_CACHE_HOME=" + w.home + "/xdg":       w.home + "/xdg/pip",
		"XDG_CACHE_HOME=relative":                 w.home + "/.cache/pip",
		"PIP_CACHE_DIR=~/tilde":                   w.home + "/tilde",
		"PIP_CACHE_DIR=" + w.home + "/a//b/../c/": w.home + "/a/c",
	} {
		c := w.c
		w.c.Env = append([]string{env}, w.c.Env...)
		_, r := w.sh("true")
		w.c = c
		if len(r.Mounts) != 1 || r.Mounts[0].Point != want {
			t.Errorf("%s: mounts %+v, want one at %s; %q", env, r.Mounts, want, w.warnings)
		}
	}

	// Root's own links are followed, somebody's are not.
	must(t, os.Rename(w.home, w.home+"-real"))
	must(t, os.Symlink(w.home+"-real", w.home))
	if _, r := w.sh("true"); len(r.Mounts) != 1 || r.Mounts[0].Point != w.home+"-real/.cache/pip" {
		t.Errorf("home behind a link of root's: %+v, %q", r.Mounts, w.warnings)
	}
}

// Without a home, without a snapshot, with a broken one: the command runs.
func TestMountRunBestEffort(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for name, spoil := range map[string]func(w *world){
		"no home":      func(w *world) { w.c.User.Home = ""; w.c.Env = []string{"PATH=/usr/bin:/bin"} },
		"no image":     func(w *world) { must(t, os.Remove(w.c.Snapshot.Image)) },
		"junk image":   func(w *world) { must(t, os.WriteFile(w.c.Snapshot.Image, make([]byte, 65536), 0o644)) },
		"no pool":      func(w *world) { must(t, os.RemoveAll(w.c.Snapshot.Objects)) },
		"unknown view": func(w *world) { w.c.Views = []string{"pip", "no-such-view"} },
		"run directory is a file": func(w *world) {
			must(t, os.WriteFile(string(w.c.RunDir), nil, 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			spoil(w)
			out, r := w.sh("echo ran; exit 5")
			if out != "ran\n" || r.Status != 5 || len(w.warnings) != 1 || strings.Contains(w.warnings[0], "\n") {
				t.Errorf("output %q, status %d, warnings %q", out, r.Status, w.warnings)
			}
			t.Log(w.warnings)
			i, err := instance.Create(filepath.Join(t.TempDir(), "i"))
			must(t, err)
			defer i.Close()
			w.c.Instance, w.c.Required = i, true
			if r, out, err := w.try("sh", "-c", "echo ran"); (err == nil || out != "") && name != "no home" {
				t.Errorf("required: %+v, %q, %v", r, out, err)
			}
		})
	}
}
