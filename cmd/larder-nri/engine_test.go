package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/adaptation"
	"github.com/containerd/nri/pkg/api"
	nrilog "github.com/containerd/nri/pkg/log"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"larder/cmd/internal/readiness"
	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/image"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var pluginDir string // to be removed, "" while nothing was built

// built is the plugin with its steps named.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "larder-nri-test")
	if err != nil {
		return "", err
	}
	pluginDir = dir
	path := filepath.Join(dir, program)
	cmd := exec.Command("go", "build", "-tags", "failpoint", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return string(out), err
	}
	return path, nil
})

func TestMain(m *testing.M) {
	nrilog.Set(quiet{logger(os.Stderr)})
	code := m.Run()
	if pluginDir != "" {
		os.RemoveAll(pluginDir)
	}
	os.Exit(code)
}

// engine is a container runtime: NRI's own side of the socket as containerd has it, and runc. A pod
// is of the namespace ci and asks for the profile that is set.
type engine struct {
	t                         testing.TB
	dir, store, config, ready string
	rootfs                    string
	nri                       *adaptation.Adaptation
	pod                       *api.PodSandbox
	mu                        sync.Mutex
	containers                []*api.Container
	plugin                    *exec.Cmd
	log                       *output
}

// output is what a process says, also while it runs.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

const operator = `
[profile.ml]
namespaces = ["ci"]
[profile.locks]
namespaces = ["ci"]
allow_container_lock = true
[profile.private]
requestable = true
`

func newEngine(t testing.TB) *engine {
	t.Helper()
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("end to end: set LARDER_E2E=1")
	}
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755)) // a container in a user namespace walks to its root
	}
	e := &engine{t: t, dir: dir, store: filepath.Join(dir, "store"), config: filepath.Join(dir, "config.toml"), ready: filepath.Join(dir, "ready.json"),
		rootfs: filepath.Join(dir, "rootfs"), log: &output{}}
	must(t, os.WriteFile(e.config, []byte(operator), 0o600))
	publish(t, e.store)
	overlaytest.Root(t, e.rootfs)
	e.pod = &api.PodSandbox{Id: "pod", Name: "pod", Namespace: "ci", Annotations: map[string]string{profileAnnotation: "ml"}}
	e.listen()
	t.Cleanup(func() { e.nri.Stop() })
	return e
}

func (e *engine) socket() string { return filepath.Join(e.dir, "nri.sock") }

// listen starts the runtime's side.
func (e *engine) listen() {
	e.t.Helper()
	sync := func(ctx context.Context, told adaptation.SyncCB) error {
		e.mu.Lock()
		defer e.mu.Unlock()
		_, err := told(ctx, []*api.PodSandbox{e.pod}, e.containers)
		return err
	}
	none := func(context.Context, []*api.ContainerUpdate) ([]*api.ContainerUpdate, error) { return nil, nil }
	var err error
	e.nri, err = adaptation.New("larder-test", "2.1.0", sync, none, adaptation.WithSocketPath(e.socket()),
		adaptation.WithPluginPath(filepath.Join(e.dir, "none")), adaptation.WithPluginConfigPath(filepath.Join(e.dir, "none")))
	must(e.t, err)
	must(e.t, e.nri.Start())
}

// start runs the plugin and waits until it is registered.
func (e *engine) start(failpoint string, args ...string) {
	e.t.Helper()
	path, err := built()
	if err != nil {
		e.t.Fatalf("build: %v\n%s", err, path)
	}
	e.plugin = exec.Command(path, append([]string{"--store", e.store, "--config", e.config, "--socket", e.socket(), "--ready", e.ready, "--bundles", e.dir}, args...)...)
	e.plugin.Env = []string{"LARDER_FAILPOINT=" + failpoint}
	e.plugin.Stderr = e.log
	must(e.t, e.plugin.Start())
	plugin := e.plugin
	e.t.Cleanup(func() {
		_ = plugin.Process.Kill()
		_ = plugin.Wait()
	})
	e.registered()
}

func (e *engine) registered() {
	e.t.Helper()
	e.wait("registered", func() bool {
		_, err := readiness.Read(e.ready, time.Now())
		return err == nil
	})
	time.Sleep(50 * time.Millisecond) // the runtime counts it in after its answer
}

func (e *engine) wait(what string, come func() bool) {
	e.t.Helper()
	for end := time.Now().Add(20 * time.Second); !come(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			e.t.Fatalf("not %s: %s", what, e.log)
		}
	}
}

// stop ends the plugin as the service manager does.
func (e *engine) stop() {
	e.t.Helper()
	must(e.t, e.plugin.Process.Signal(syscall.SIGTERM))
	if err := e.plugin.Wait(); err != nil {
		e.t.Errorf("after SIGTERM: %v", err)
	}
}

// created is a container that runc made, as NRI tells of it.
type created struct {
	*api.Container
	e   *engine
	out string // file of what it prints
}

// create makes a container that will run script with sh.
func (e *engine) create(id, script string, change ...func(*specs.Spec)) *created {
	e.t.Helper()
	s := &specs.Spec{
		Version: "1.0.2", Root: &specs.Root{Path: e.rootfs},
		Process: &specs.Process{Args: []string{"/bin/sh", "-c", script}, Cwd: "/tmp", Env: []string{"PATH=/bin"}},
		Mounts:  []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc"}, {Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}}},
		Linux:   &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}}},
	}
	// By default it is the id's, which tests beside this one may use as well.
	s.Linux.CgroupsPath = "/" + filepath.Base(filepath.Dir(e.dir)) + "-" + id
	for _, f := range change {
		f(s)
	}
	bundle := filepath.Join(e.dir, id)
	must(e.t, os.Mkdir(bundle, 0o755))
	data, err := json.Marshal(s)
	must(e.t, err)
	must(e.t, os.WriteFile(filepath.Join(bundle, "config.json"), data, 0o644))
	c := &created{e: e, out: filepath.Join(e.dir, id+".out")}
	out, err := os.Create(c.out)
	must(e.t, err)
	defer out.Close()
	pid := filepath.Join(bundle, "pid")
	cmd := e.runc("create", "--bundle", bundle, "--pid-file", pid, id)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		e.t.Fatalf("create %s: %v: %s", id, err, c.printed())
	}
	e.t.Cleanup(func() { _ = e.runc("delete", "--force", id).Run() })
	text, err := os.ReadFile(pid)
	must(e.t, err)
	n, err := strconv.Atoi(string(text))
	must(e.t, err)
	c.Container = &api.Container{Id: id, PodSandboxId: e.pod.Id, Name: "main", State: api.ContainerState_CONTAINER_CREATED, Pid: uint32(n), Env: s.Process.Env,
		User: &api.User{Uid: s.Process.User.UID, Gid: s.Process.User.GID}}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.containers = append(e.containers, c.Container)
	return c
}

func (e *engine) runc(args ...string) *exec.Cmd {
	return exec.Command("runc", append([]string{"--root", filepath.Join(e.dir, "runc")}, args...)...)
}

// tell tells the plugin that the container waits for its start, and how long the runtime had to wait.
func (c *created) tell() (time.Duration, error) {
	begin := time.Now()
	err := c.e.nri.StartContainer(context.Background(), &api.StartContainerRequest{Pod: c.e.pod, Container: c.Container})
	return time.Since(begin), err
}

// start starts the container's process.
func (c *created) start() {
	c.e.t.Helper()
	if out, err := c.e.runc("start", c.Id).CombinedOutput(); err != nil {
		c.e.t.Fatalf("start %s: %v: %s", c.Id, err, out)
	}
	c.State = api.ContainerState_CONTAINER_RUNNING
}

func (c *created) printed() string {
	b, err := os.ReadFile(c.out)
	must(c.e.t, err)
	return string(b)
}

// looked waits until the container has printed what it sees.
func (c *created) looked(want string) {
	c.e.t.Helper()
	for end := time.Now().Add(20 * time.Second); c.printed() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			c.e.t.Fatalf("%s printed %q, want %q: %s", c.Id, c.printed(), want, c.e.log)
		}
	}
}

// end waits until the container's process has ended, and returns what it printed.
func (c *created) end() string {
	c.e.t.Helper()
	c.e.wait("ended", func() bool { return syscall.Kill(int(c.Pid), 0) == syscall.ESRCH || zombie(int(c.Pid)) })
	return c.printed()
}

// zombie is a process that nobody has waited for: the test adopts none of runc's.
func zombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(stat), ") ")
	return err == nil && strings.HasPrefix(after, "Z")
}

// run tells of a container, runs it to its end and returns what it printed.
func (c *created) run() string {
	c.e.t.Helper()
	if _, err := c.tell(); err != nil {
		c.e.t.Fatalf("the plugin refuses %s: %v", c.Id, err)
	}
	c.start()
	return c.end()
}

// remove takes the container away, and tells so.
func (c *created) remove() {
	c.e.t.Helper()
	if out, err := c.e.runc("delete", "--force", c.Id).CombinedOutput(); err != nil {
		c.e.t.Fatalf("delete %s: %v: %s", c.Id, err, out)
	}
	must(c.e.t, c.e.nri.RemoveContainer(context.Background(), &api.RemoveContainerRequest{Pod: c.e.pod, Container: c.Container}))
}

// left counts what the store holds for containers.
func (e *engine) left() string {
	var counts []string
	for _, d := range []string{"leases", "instances", "trash"} {
		entries, err := os.ReadDir(filepath.Join(e.store, d))
		must(e.t, err)
		counts = append(counts, fmt.Sprint(len(entries), " ", d))
	}
	return strings.Join(counts, " ")
}

// host is the mount table, in which nothing of a container's may appear.
func (e *engine) host() string {
	b, err := os.ReadFile("/proc/self/mountinfo")
	must(e.t, err)
	return string(b)
}

// publish makes a small snapshot the current one of a store.
func publish(t testing.TB, dir string) {
	t.Helper()
	s, err := snapshot.OpenOrCreate(dir)
	must(t, err)
	stage, err := s.Begin(t.Context())
	must(t, err)
	defer stage.Close()
	tree := image.NewTree()
	for path, content := range map[string]string{"views/pip/http-v2/a/body": "a wheel", "views/wheels/wheels/b": "an old wheel"} {
		o, err := stage.PutBytes([]byte(content), false)
		must(t, err)
		must(t, tree.File(path, o, int64(len(content)), snapshot.Epoch))
	}
	_, _, err = stage.Publish(func(w *os.File) error { return tree.Write(w) }, nil)
	must(t, err)
}
