package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/containerd/nri/pkg/api"

	"larder/overlay/instance"
	"larder/snapshot"
	"larder/snapshot/gc"
)

// sees prints whether a container has its snapshot.
const sees = `test -e $HOME/.cache/pip/http-v2 && echo attached || echo bare; sleep 60`

// Whatever a pod's annotations are, its container starts, with one line of bounded length about it
// at most; with --required what asks in vain does not.
func TestE2EPodAsks(t *testing.T) {
	e := newEngine(t)
	e.start("")
	long := strings.Repeat("x", 1<<20)
	many := map[string]string{}
	for i := range 5000 {
		many[fmt.Sprint("a.example/", i)] = strings.Repeat("v", 50)
	}
	with := func(extra map[string]string, profile string) map[string]string {
		all := map[string]string{profileAnnotation: profile}
		for k, v := range extra {
			all[k] = v
		}
		return all
	}
	asks := []struct {
		name, namespace string
		annotations     map[string]string
		says            string // "" nothing
	}{
		{"nothing", "ci", nil, ""},
		{"of another namespace", "default", with(nil, "ml"), "not for its namespace"},
		{"of no namespace", "", with(nil, "ml"), "not for its namespace"},
		{"unknown", "ci", with(nil, "nothere"), "not for its namespace"},
		{"requestable by hooks", "ci", with(nil, "private"), "not for its namespace"},
		{"a path", "ci", with(nil, "../../etc"), "by a name that is none"},
		{"control characters", "ci", with(nil, "ml\n<0>forged\x1b[31m\u202e"), "by a name that is none"},
		{"a megabyte", "ci", with(nil, long), "by a name that is none"},
		{"a megabyte of a lock", "ci", with(map[string]string{lockAnnotation: long}, "locks"), "left out: environment"},
		{"a lock that is not allowed", "ci", with(map[string]string{lockAnnotation: "/etc/passwd"}, "ml"), "does not allow it"},
		{"for another container", "ci", map[string]string{profileAnnotation + "/container.other": "ml"}, ""},
		{"thousands", "ci", with(many, "ml"), "pip at"},
		{"for this container", "ci", with(map[string]string{profileAnnotation + "/container.main": "ml"}, "nothere"), "pip at"},
	}
	for i, tc := range asks {
		e.pod.Namespace, e.pod.Annotations = tc.namespace, tc.annotations
		had := len(e.log.String())
		c := e.create(fmt.Sprint("c", i), sees)
		if _, err := c.tell(); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if tc.says != "" {
			e.wait("said: "+tc.says, func() bool { return strings.HasSuffix(e.log.String()[had:], "\n") })
		}
		said := e.log.String()[had:]
		if tc.says == "" && said != "" || !strings.Contains(said, tc.says) || strings.Count(said, "\n") > 1 || len(said) > 3000 || strings.ContainsAny(said, "\x1b\u202e") {
			t.Errorf("%s: said %.3000q", tc.name, said)
		}
	}
	if got := e.left(); !strings.HasPrefix(got, "4 leases 4 instances") {
		t.Errorf("attached to %s", got)
	}
	e.stop()
	e.start("", "--required")
	e.pod.Namespace, e.pod.Annotations = "default", with(nil, "ml")
	if _, err := e.create("required", sees).tell(); err == nil || !strings.Contains(err.Error(), "not for its namespace") || len(err.Error()) > 1500 {
		t.Errorf("required: %v", err)
	}
	e.pod.Annotations = nil
	if _, err := e.create("unasked", sees).tell(); err != nil {
		t.Errorf("a pod that asks for nothing: %v", err)
	}
}

// A plugin that is killed at any step leaves no mount on the host and no pod that does not start; the
// next one leaves what runs as it is, and gc takes the rest when the container is gone.
func TestE2EPluginKilled(t *testing.T) {
	e := newEngine(t)
	before := e.host()
	for i, step := range []string{"nri: asked", "nri: container entered", "attach: lease taken", "attach: upper made", "hook: mounts made", "hook: attached"} {
		e.start(step + "=kill")
		c := e.create(fmt.Sprint("c", i), sees)
		if _, err := c.tell(); err != nil {
			t.Errorf("killed at %s: %v", step, err)
		}
		_ = e.plugin.Wait()
		if after := e.host(); after != before {
			t.Errorf("killed at %s: the host's mounts changed:\n%s", step, after)
		}
		c.start()
		want := map[bool]string{true: "attached\n", false: "bare\n"}[step == "hook: attached"]
		c.looked(want)
	}
	// What runs has a lease or not; the next plugin says so, and changes neither.
	had := e.left()
	e.start("")
	if !strings.Contains(e.log.String(), "containers=6 attached=4 ask_and_run_without=2") || e.left() != had {
		t.Errorf("%s, was %s\n%s", e.left(), had, e.log)
	}
	for _, c := range e.containers {
		(&created{Container: c, e: e}).remove()
	}
	e.wait("released", func() bool { return strings.HasPrefix(e.left(), "0 leases 0 instances") })
}

// What a dead plugin did not put away, gc does.
func TestE2EPluginDeadAtRemove(t *testing.T) {
	e := newEngine(t)
	e.start("")
	c := e.create("c", sees)
	_, err := c.tell()
	must(t, err)
	c.start()
	c.looked("attached\n")
	e.stop()
	c.remove()
	if got := e.left(); !strings.HasPrefix(got, "1 leases 1 instances") {
		t.Fatalf("without the plugin: %s", got)
	}
	s, err := snapshot.Open(e.store)
	must(t, err)
	_, err = gc.Run(t.Context(), s, gc.Options{Keep: 1, Mounted: instance.Mounted})
	must(t, err)
	if got := e.left(); got != "0 leases 0 instances 0 trash" {
		t.Errorf("after gc: %s", got)
	}
}

// A plugin that does not come to an end answers all the same, in time; and what it then comes to it undoes.
func TestE2EPluginLate(t *testing.T) {
	e := newEngine(t)
	dir := t.TempDir()
	e.start("hook: mounts made=hold:" + dir)
	c := e.create("c", sees)
	took, err := c.tell()
	if err != nil || took < time.Second || took > 1900*time.Millisecond {
		t.Errorf("the runtime waited %v: %v", took, err)
	}
	c.start()
	c.looked("bare\n")
	must(t, os.WriteFile(filepath.Join(dir, "hook--mounts-made.go"), nil, 0o600))
	e.wait("undone", func() bool { return strings.HasPrefix(e.left(), "0 leases 0 instances") })
	if got := e.log.String(); !strings.Contains(got, "nothing attached: not done in time") {
		t.Errorf("%s", got)
	}
}

// A plugin that was stopped is cut off after the runtime's two seconds. When it goes on it does not
// touch the container that has been started meanwhile, and registers again.
func TestE2EPluginStopped(t *testing.T) {
	e := newEngine(t)
	e.start("")
	c := e.create("c", sees)
	must(t, e.plugin.Process.Signal(syscall.SIGSTOP))
	took, err := c.tell()
	t.Logf("stopped: the runtime waited %v", took)
	if err != nil || took < 1500*time.Millisecond || took > 10*time.Second {
		t.Errorf("%v: %v", took, err)
	}
	c.start()
	c.looked("bare\n")
	must(t, e.plugin.Process.Signal(syscall.SIGCONT))
	// On a busy host its own time may have ended first.
	e.wait("told", func() bool {
		return strings.Contains(e.log.String(), "has been started already") || strings.Contains(e.log.String(), "not done in time")
	})
	e.wait("undone", func() bool { return strings.HasPrefix(e.left(), "0 leases 0 instances") })
	e.registered()
	again := e.create("again", sees)
	e.wait("attaching again", func() bool {
		_, err := again.tell()
		return err == nil && strings.Contains(e.log.String(), "attach again: pip at")
	})
	// With no plugin nobody waits, and nobody is told.
	e.stop()
	took, err = e.create("alone", sees).tell()
	t.Logf("dead: the runtime waited %v", took)
	if err != nil || took > time.Second {
		t.Errorf("%v: %v", took, err)
	}
}

// A runtime that restarts finds the plugin again.
func TestE2ERuntimeRestarts(t *testing.T) {
	e := newEngine(t)
	relay := filepath.Join(e.dir, "relay.sock")
	die := listenRelay(t, relay, e.socket())
	e.start("", "--socket", relay)
	die()
	e.wait("noticed", func() bool { _, err := os.Stat(e.ready); return err != nil })
	listenRelay(t, relay, e.socket())
	e.registered()
	if out := e.create("c", `test -e $HOME/.cache/pip/http-v2 && echo attached`).run(); out != "attached\n" {
		t.Errorf("%q: %s", out, e.log)
	}
}

// listenRelay passes what comes to a socket on to another, until it dies with all of its connections.
func listenRelay(t *testing.T, path, to string) (die func()) {
	t.Helper()
	l, err := net.Listen("unix", path)
	must(t, err)
	open := make(chan net.Conn, 8)
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("unix", to)
			if err != nil {
				in.Close()
				return
			}
			open <- in
			open <- out
			go io.Copy(in, out)
			go io.Copy(out, in)
		}
	}()
	die = func() {
		l.Close()
		for len(open) > 0 {
			(<-open).Close()
		}
	}
	t.Cleanup(die)
	return die
}

// A container that has its snapshot already, by a hook of a device that it asked for, too, or because
// an event is told twice, is well as it is.
func TestE2EPodTwice(t *testing.T) {
	e := newEngine(t)
	e.start("", "--required")
	c := e.create("c", sees)
	for range 2 {
		if _, err := c.tell(); err != nil {
			t.Errorf("%v", err)
		}
	}
	c.start()
	e.wait("said", func() bool { return strings.Contains(e.log.String(), "attach c: attached before") })
	c.looked("attached\n")
	if got := e.left(); got != "1 leases 1 instances 0 trash" {
		t.Errorf("%s", got)
	}
}

// The other way: the runtime is told to run the hook, by a profile that the pod may have.
func TestE2EInjector(t *testing.T) {
	e := newEngine(t)
	e.start("", "--hook", "/bin/true")
	adjust := func(namespace string, annotations map[string]string) *api.ContainerAdjustment {
		t.Helper()
		e.pod.Namespace, e.pod.Annotations = namespace, annotations
		r, err := e.nri.CreateContainer(t.Context(), &api.CreateContainerRequest{Pod: e.pod, Container: &api.Container{Id: "c", Name: "main"}})
		must(t, err)
		return r.GetAdjust()
	}
	a := adjust("ci", map[string]string{profileAnnotation: "locks", lockAnnotation: "/app.lock"})
	if got := a.GetHooks().GetCreateRuntime(); len(got) != 1 || got[0].Path != "/bin/true" || len(got[0].Env) == 0 || got[0].Timeout.GetValue() != attachSeconds ||
		strings.Join(got[0].Args, " ") != "larder-hook attach --profile locks --store "+e.store+" --config "+e.config {
		t.Errorf("%v", got)
	}
	if got := a.GetHooks().GetPoststop(); len(got) != 1 || got[0].Args[1] != "release" || a.GetAnnotations()[lockAnnotation] != "/app.lock" {
		t.Errorf("%v, %v", got, a.GetAnnotations())
	}
	for _, none := range []*api.ContainerAdjustment{adjust("ci", nil), adjust("default", map[string]string{profileAnnotation: "ml"}), adjust("ci", map[string]string{profileAnnotation: "../x"})} {
		if len(none.GetHooks().GetCreateRuntime()) > 0 {
			t.Errorf("%v", none)
		}
	}
}

// A resident program keeps nothing of the containers it has served: no descriptor, no thread, no mount.
func TestE2EPluginIsFlat(t *testing.T) {
	e := newEngine(t)
	e.start("")
	serve := func(name string) {
		e.fresh()
		c := e.create(name, ":")
		_, err := c.tell()
		must(t, err)
		c.remove()
		e.wait("released", func() bool { return strings.HasPrefix(e.left(), "0 leases 0 instances") })
	}
	held := func() (fds, threads int) {
		for dir, n := range map[string]*int{"fd": &fds, "task": &threads} {
			entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", e.plugin.Process.Pid, dir))
			must(t, err)
			*n = len(entries)
		}
		return fds, threads
	}
	for i := range 5 {
		serve(fmt.Sprint("first", i))
	}
	time.Sleep(200 * time.Millisecond) // what it does behind the runtime's back
	fds, threads := held()
	const rounds = 20
	for i := range rounds {
		serve(fmt.Sprint("c", i))
	}
	// Go keeps the threads that a busy host made it start; what is left of each container would be more.
	var f, n int
	defer func() { t.Logf("descriptors %d, then %d; threads %d, then %d", fds, f, threads, n) }()
	e.wait("flat", func() bool {
		f, n = held()
		return f < fds+rounds/2 && n < threads+rounds/2
	})
}
