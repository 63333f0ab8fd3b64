//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/builder/pypi/index"
)

// debian returns a root file system of the host's own Debian release with
// Python, made once with debootstrap and shared with make demo.
func debian(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(cache, "larder-demo", "rootfs")
	if _, err := os.Stat(filepath.Join(root, ".complete")); err == nil {
		return root
	}
	// The suite and mirror that this host installs from, as scripts/demo.sh does.
	out, err := exec.Command("sh", "-euc", `rm -rf "$0"; mkdir -p "$0"
		mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | head -n 1)
		debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$(. /etc/os-release; echo "${VERSION_CODENAME:-stable}")" "$0" ${mirror:+"$mirror"}
		touch "$0/.complete"`, root).CombinedOutput()
	if err != nil {
		t.Fatalf("make a root file system: %v\n%s", err, out)
	}
	return root
}

// engine starts real containers with the hook: their roots are overlays over one
// image, which has a virtual environment of root's and one of alice's.
type engine struct {
	locked
	dir, hook, config, log string
	snapshot               string
	image                  string // lower directories of a container's root
	pip                    index.Config
}

func newEngine(t *testing.T, packages ...string) *engine {
	t.Helper()
	rootfs := debian(t)
	p := newProgram(t)
	e := &engine{dir: t.TempDir()}
	for _, d := range []string{e.dir, filepath.Dir(e.dir)} { // a container in a user namespace walks to its root
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e.hook, e.config, e.log = filepath.Join(e.dir, "larder-hook"), filepath.Join(e.dir, "config.toml"), filepath.Join(e.dir, "log")
	build := exec.Command("go", "build", "-o", e.hook, "../larder-hook") // with the caches of this user's own home
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}

	minor := strings.TrimSpace(p.must("chroot", rootfs, "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"))
	python := p.python()
	text, _ := p.resolved(python, append([]string{"--python-version", minor, "--target", t.TempDir()}, packages...)...)
	e.locked = locked{p, python, filepath.Join(e.dir, "requirements.txt")}
	config := fmt.Sprintf("[profile.operator]\nlock = %q\nvenv = \"/opt/venv\"\n[profile.container]\nallow_container_lock = true\n", e.lock)
	for name, content := range map[string]string{e.lock: text, e.config: config} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.must("larder", "build", "--lock", e.lock, "--target", strings.TrimSpace(p.must("chroot", rootfs, "python3", "-c", tagOf)))
	var listed struct{ Snapshots []struct{ ID string } }
	if err := json.Unmarshal([]byte(p.must("larder", "ls", "--json")), &listed); err != nil || len(listed.Snapshots) != 1 {
		t.Fatalf("%v, %d snapshots", err, len(listed.Snapshots))
	}
	e.snapshot = listed.Snapshots[0].ID

	upper := filepath.Join(e.dir, "image")
	root := e.overlay(t, "image", rootfs)
	p.must("sh", "-euc", `
		echo 'alice:x:1000:1000::/home/alice:/bin/sh' >>"$0/etc/passwd"; mkdir -p "$0/home/alice"
		chroot "$0" python3 -m venv /opt/venv
		chroot "$0" python3 -m venv /home/alice/venv
		cp "$1" "$0/home/alice/app.lock"; chown -R 1000:1000 "$0/home/alice"`, root, e.lock)
	e.image = upper + ":" + rootfs
	var err error
	if e.pip, err = index.FromPip(t.Context(), []string{python}); err != nil {
		t.Fatal(err)
	}
	return e
}

// overlay mounts lower below the directory of the upper that keeps what changes.
// As engines do, it copies no content where only an owner changes.
func (e *engine) overlay(t *testing.T, name, lower string) (root string) {
	t.Helper()
	upper := filepath.Join(e.dir, name)
	root = upper + ".root"
	for _, d := range []string{upper, upper + ".work", root} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e.must("mount", "-t", "overlay", "overlay", "-o", "metacopy=on,lowerdir="+lower+",upperdir="+upper+",workdir="+upper+".work", root)
	t.Cleanup(func() {
		if out, err := exec.Command("umount", root).CombinedOutput(); err != nil {
			t.Errorf("unmount %s: %v %s", root, err, out)
		}
	})
	return root
}

// spec is a container of the image, with this host's network.
func (e *engine) spec(root, profile string, args ...string) *specs.Spec {
	seconds := 15
	hook := func(name string, more ...string) []specs.Hook {
		a := append([]string{"larder-hook", name, "--store", filepath.Join(e.home(), "store"), "--config", e.config, "--log", e.log}, more...)
		return []specs.Hook{{Path: e.hook, Args: a, Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Timeout: &seconds}}
	}
	env := []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_ROOT_USER_ACTION=ignore", "PIP_INDEX_URL=" + e.pip.Indexes[0]}
	mounts := []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}, {Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}}}
	bound := []string{"/etc/resolv.conf", "/etc/hosts"}
	if len(e.pip.CABundles) > 0 {
		bound, env = append(bound, e.pip.CABundles[0]), append(env, "PIP_CERT="+e.pip.CABundles[0])
	}
	for _, path := range bound {
		mounts = append(mounts, specs.Mount{Destination: path, Type: "bind", Source: path, Options: []string{"rbind", "ro"}})
	}
	for _, v := range e.env {
		if name, _, _ := strings.Cut(v, "="); strings.HasSuffix(strings.ToLower(name), "_proxy") {
			env = append(env, v)
		}
	}
	caps := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETUID", "CAP_SETGID"}
	return &specs.Spec{
		Version: "1.0.2", Root: &specs.Root{Path: root}, Mounts: mounts,
		Process: &specs.Process{Args: args, Cwd: "/tmp", Env: env, Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}},
		Hooks:   &specs.Hooks{CreateRuntime: hook("attach", "--required", "--profile", profile), Poststop: hook("release")},
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}}},
	}
}

// inUserNS gives a container a user namespace, and its root to that.
func inUserNS(t *testing.T, s *specs.Spec) {
	t.Helper()
	err := filepath.WalkDir(s.Root.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		i, err := d.Info()
		if err != nil {
			return err
		}
		st := i.Sys().(*syscall.Stat_t)
		return os.Lchown(path, int(st.Uid)+100000, int(st.Gid)+100000)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
}

// mounts are those of the host that have to do with the engine's containers and
// its snapshot.
func (e *engine) mounts() string {
	e.t.Helper()
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		e.t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(table)) {
		if strings.Contains(line, e.dir) || strings.Contains(line, "larder:"+e.snapshot[:12]) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// command is runc run of a container.
func (e *engine) command(t *testing.T, id string, s *specs.Spec) *exec.Cmd {
	t.Helper()
	bundle := filepath.Join(e.dir, "bundle-"+id)
	b, err := json.Marshal(s)
	if err == nil {
		err = os.Mkdir(bundle, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(bundle, "config.json"), b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), "runc", "--root", filepath.Join(e.dir, "runc"), "run", "--bundle", bundle, id)
}

// inContainer is what the user of an image with a virtual environment does.
const inContainer = `set -eu
export PATH=$VENV/bin:$PATH
python -c 'import flask, numpy, requests, yaml; print("numpy", numpy.__file__)'
flask --version | grep Flask
pip check
pip list --format=freeze
pip install --progress-bar off -r "$LOCK" six >/tmp/log || { cat /tmp/log; exit 1; }
grep -c 'already satisfied' /tmp/log
python -c 'import six; print("six", six.__file__)'
stat -c 'owner %u %u' $VENV/lib/python3*/site-packages/six.py $VENV/lib/python3*/site-packages/numpy/__init__.py
pip uninstall --quiet --yes requests
if python -c 'import requests' 2>/dev/null; then exit 1; fi
pip install --progress-bar off --no-deps $(grep ^requests== "$LOCK") | grep -i cached
python -c 'import requests'
f=$(python -c 'import yaml; print(yaml.__file__)')
echo 'x = 1' >>"$f"
python -c 'import yaml; assert yaml.x == 1'
echo as wanted
`

// Real pip in a Debian container whose root is an overlay, with the environment
// on a virtual environment of that root.
func TestE2EContainers(t *testing.T) {
	needE2E(t)
	e := newEngine(t, "flask", "requests", "numpy", "pyyaml")
	store := filepath.Join(e.home(), "store")
	id := e.must("larder", "ls")
	text, err := os.ReadFile(e.lock)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		alice, userns bool
	}{{name: "root"}, {name: "alice", alice: true}, {name: "userns", userns: true}, {name: "userns alice", alice: true, userns: true}} {
		t.Run(c.name, func(t *testing.T) {
			id := strings.ReplaceAll(c.name, " ", "-")
			root := e.overlay(t, id, e.image)
			profile, venv, lock := "operator", "/opt/venv", "/tmp/lock"
			if c.alice {
				profile, venv, lock = "container", "/home/alice/venv", "/home/alice/app.lock"
			}
			if err := os.WriteFile(filepath.Join(root, "tmp", "lock"), text, 0o644); err != nil {
				t.Fatal(err)
			}
			s := e.spec(root, profile, "sh", "-c", inContainer)
			s.Process.Env = append(s.Process.Env, "VENV="+venv, "LOCK="+lock)
			if c.alice {
				s.Process.User = specs.User{UID: 1000, GID: 1000}
				s.Process.Env = append(s.Process.Env, "HOME=/home/alice")
				s.Annotations = map[string]string{"dev.larder.lock": lock, "dev.larder.venv": venv}
			}
			if c.userns {
				inUserNS(t, s)
			}
			before := e.mounts()
			cmd := e.command(t, id, s)
			out, err := cmd.CombinedOutput()
			log, _ := os.ReadFile(e.log)
			if err != nil {
				t.Fatalf("%v\n%s\nlog: %s", err, out, log)
			}
			owner := "owner 0 0\n"
			if c.alice {
				owner = "owner 1000 1000\n"
			}
			site := venv + "/lib/python3"
			for _, want := range []string{"numpy " + site, "six " + site, owner, fmt.Sprintf("\n%d\n", strings.Count(string(text), "\n")), "Using cached requests-", "\nas wanted\n"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %q in %s", want, out)
				}
			}
			if after := e.mounts(); after != before {
				t.Errorf("the host's mounts changed:\n%s", lineDiff(before, after))
			}
			for _, d := range []string{"instances", "leases"} {
				if left, err := os.ReadDir(filepath.Join(store, d)); err != nil || len(left) != 0 {
					t.Errorf("%v, left in %s: %v", err, d, left)
				}
			}
			e := &engine{locked: locked{&program{t, e.bin, e.env}, e.python, e.lock}, dir: e.dir}
			// Nothing of it went into the container's own root.
			if found := e.must("sh", "-euc", `test ! -e "$0" || find "$0" -type f -newer "$1"`, filepath.Join(e.dir, id)+venv, filepath.Join(e.dir, "bundle-"+id, "config.json")); found != "" {
				t.Errorf("written below the environment:\n%s", found)
			}
		})
	}
	t.Run("page cache shared", func(t *testing.T) { e.pageCacheShared(t) })
	log, _ := os.ReadFile(e.log)
	t.Logf("%s", log)
	e.must("larder", "verify", "--full")
	if after := e.must("larder", "ls"); after != id {
		t.Errorf("the snapshots are\n%s, were\n%s", after, id)
	}
}

// pageCacheShared starts two containers that import numpy and shows that they
// hold one copy of it.
func (e *engine) pageCacheShared(t *testing.T) {
	for _, id := range []string{"one", "two"} {
		s := e.spec(e.overlay(t, id, e.image), "operator", "/opt/venv/bin/python", "-c",
			"import numpy.linalg; numpy.linalg.inv(numpy.eye(64)); print(1, flush=True); input()")
		startPrinting(t, e.command(t, id, s))
	}
	for _, id := range []string{"one", "two"} {
		var state struct{ PID int }
		if err := json.Unmarshal([]byte(e.must("runc", "--root", filepath.Join(e.dir, "runc"), "state", id)), &state); err != nil {
			t.Fatal(err)
		}
		rss, pss := filesOf(t, state.PID, "/numpy")
		t.Logf("numpy's files in container %s, process %d: Rss %d kB, Pss %d kB", id, state.PID, rss, pss)
		if rss < 1000 || pss*100 > rss*60 {
			t.Errorf("Pss is %d kB of Rss %d kB; want at most 60%%", pss, rss)
		}
	}
	if left, err := os.ReadDir(filepath.Join(e.home(), "store", "instances")); err != nil || len(left) != 2 {
		t.Errorf("%v, %d instances; want two", err, len(left))
	}
}
