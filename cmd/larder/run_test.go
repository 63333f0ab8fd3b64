//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"larder/overlay/overlaytest"
	"larder/snapshot"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
)

const runTarget = "cp311-manylinux_2_36_x86_64"

// runStore publishes a snapshot with the pip view, two layers, pip's own, and a
// target, and further layers of projects with a program each; python is the host's interpreter for it.
func runStore(t *testing.T, p *program, python string, more ...string) (*snapshot.Store, snapshot.ID) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := snapshot.OpenOrCreate(filepath.Join(p.home(), "store"))
	check(err)
	st, err := s.Begin(t.Context())
	check(err)
	defer st.Close()
	tree := image.NewTree()
	put := func(path, content string) {
		o, err := st.PutBytes([]byte(content), strings.Contains(path, "/bin/"))
		check(err)
		check(tree.File(path, o, int64(len(content)), snapshot.Epoch))
	}
	put("views/pip/http-v2/body", "wheel")
	row, err := json.Marshal(pypi.Target{Python: "3.11.2", Markers: map[string]string{"python_version": "3.11", "sys_platform": "linux"}}.Row(runTarget, "00000000000f"))
	check(err)
	put(snapshot.TargetPath(runTarget), string(row))
	layers := map[string]string{"000000000001": "one", "000000000002": "two", "00000000000f": "pip"}
	for i, name := range more {
		layers[fmt.Sprintf("%012x", 16+i)] = name
	}
	for id, name := range layers {
		put("l/"+id+"/lib/python3.11/site-packages/"+name+".py", "print('"+name+"')\n")
		put("l/"+id+"/bin/"+name, "#!/bin/sh\necho "+name+"\n")
		link := snapshot.NoBuilt.ByName(runTarget, name, "1.0")
		check(tree.Symlink(link, snapshot.LinkTarget(link, snapshot.LayerPath(id))))
	}
	put(snapshot.ManifestPath, "{}")
	id, _, err := st.Publish(func(w *os.File) error { return tree.Write(w) }, map[string]string{runTarget: python})
	check(err)
	return s, id
}

// home is the program's HOME.
func (p *program) home() string {
	for _, e := range p.env {
		if h, ok := strings.CutPrefix(e, "HOME="); ok {
			return h
		}
	}
	p.t.Fatal("no HOME")
	return ""
}

// entries counts what is in a directory of the store.
func entries(t *testing.T, s *snapshot.Store, name string) int {
	t.Helper()
	e, err := os.ReadDir(filepath.Join(s.Dir(), name))
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

func TestMountRunCommand(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	s, id := runStore(t, p, python)
	runDir := "--run-dir=" + filepath.Join(t.TempDir(), "run")
	dir := t.TempDir()
	t.Chdir(dir)
	lockFile := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	both := lockFile("requirements.txt", "one==1.0\ntwo==1.0\n")
	more := lockFile("more.txt", "three==3.0\n")
	other := lockFile("other.txt", "one==2.0\n")
	loose := lockFile("loose.txt", "one\n")
	reportFile := filepath.Join(dir, "report.json")
	for _, c := range []struct {
		name    string
		args    []string
		status  int
		out     string // part of standard output
		say     string // part of standard error, "" for silence
		reports int    // mounts in the report, -1 for no report
	}{
		{"view", []string{"--", "cat", p.home() + "/.cache/pip/http-v2/body"}, 0, "wheel", "", 1},
		{"status", []string{"sh", "-c", "exit 42"}, 42, "", "", 1},
		{"killed", []string{"sh", "-c", "kill -KILL $$"}, 137, "", "", 1},
		{"lock", []string{"-r", both, "--", "sh", "-c", "one; two; pip; echo $VIRTUAL_ENV; ls $LARDER_VIEW/targets"}, 0, "one\ntwo\npip\n", "", 2},
		{"missing warns", []string{"-r", both, "-r", more, "--", "one"}, 0, "one\n", "lacks 1 of the lock for " + runTarget + ": three==3.0", 2},
		{"missing fails", []string{"-r", both, "-r", more, "--missing", "fail", "--", "one"}, 125, "", "three==3.0", -1},
		{"conflict", []string{"-r", both, "-r", other, "--", "one"}, 125, "", "one is pinned to 1.0 by " + both + ":1 and to 2.0 by " + other + ":1", -1},
		{"not pinned", []string{"-r", loose, "--", "true"}, 125, "", "loose.txt:1", -1},
		{"no such lock", []string{"-r", dir + "/none.txt", "--", "true"}, 125, "", "none.txt", -1},
		{"other target", []string{"-r", both, "--target", "cp313-manylinux_2_36_x86_64", "--", "true"}, 125, "", "it has " + runTarget, -1},
		{"bad target", []string{"-r", both, "--target", "windows", "--", "true"}, 125, "", "--target", -1},
		{"no venv", []string{"-r", both, "--venv", dir, "--", "true"}, 125, "", "pyvenv.cfg", -1},
		{"no command", nil, 125, "", "no command", -1},
		{"no such flag", []string{"--no-such-flag", "--", "true"}, 125, "", "no-such-flag", -1},
		{"venv without lock", []string{"--venv", dir, "--", "true"}, 125, "", "--venv needs a lock", -1},
		{"missing what", []string{"-r", both, "--missing", "ignore", "--", "true"}, 125, "", `"ignore"`, -1},
		{"no such command", []string{"--", "no-such-command"}, 127, "", "no-such-command", -1},
		{"not executable", []string{"--", both}, 126, "", both, -1},
		{"no such user", []string{"--user", "no-such-user", "--", "true"}, 125, "", "no-such-user", -1},
		{"another user", []string{"--user", "12345", "--", "id", "-u"}, 0, "12345\n", "no home", 0},
		{"no such snapshot", []string{"--snapshot", "0000000000", "--", "true"}, 125, "", "0000000000", -1},
		{"that snapshot", []string{"--snapshot", id.String()[:8], "--", "echo", "ran"}, 0, "ran", "", 1},
		{"no such view", []string{"--view", "gradle", "--", "echo", "ran"}, 0, "ran", `no view "gradle"`, 0},
		{"view required", []string{"--view", "gradle", "--required", "--", "echo", "ran"}, 125, "", `no view "gradle"`, -1},
		{"flags of the command", []string{"echo", "--json", "-r", "x"}, 0, "--json -r x\n", "", 1},
	} {
		os.Remove(reportFile)
		out, errs, status := p.try("larder", append([]string{"run", runDir, "--report", reportFile}, c.args...)...)
		if status != c.status || !strings.Contains(out, c.out) || (c.status >= 125 && c.status < 128 && out != "") {
			t.Errorf("%s: status %d, want %d; output %q, want %q", c.name, status, c.status, out, c.out)
		}
		if (c.say == "") != (errs == "") || !strings.Contains(errs, c.say) {
			t.Errorf("%s: it says %q, want %q", c.name, errs, c.say)
		}
		for _, line := range strings.Split(strings.TrimSuffix(errs, "\n"), "\n") {
			if line != "" && !strings.HasPrefix(line, "larder: ") && !strings.HasPrefix(line, "hint: ") {
				t.Errorf("%s: a line of another voice: %q", c.name, line)
			}
		}
		var r struct {
			Snapshot string
			Mounts   []struct{ Point string }
		}
		b, err := os.ReadFile(reportFile)
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		if (err != nil) != (c.reports < 0) || err == nil && (len(r.Mounts) != c.reports || r.Snapshot != id.String()) {
			t.Errorf("%s: report %s, %v; want %d mounts", c.name, b, err, c.reports)
		}
		for _, name := range []string{"instances", "leases", "trash"} {
			if n := entries(t, s, name); n != 0 {
				t.Errorf("%s: %d left in %s", c.name, n, name)
			}
		}
	}
}

// Without a store the command runs all the same; what was asked for by name is
// not passed over.
func TestMountRunWithoutStore(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	out, errs, status := p.try("larder", "run", "--", "sh", "-c", "echo ran; exit 3")
	if out != "ran\n" || status != 3 || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, "no store") {
		t.Errorf("status %d, output %q, says %q", status, out, errs)
	}
	for _, flag := range []string{"--required", "--snapshot=current", "--instance=" + t.TempDir() + "/i"} {
		out, errs, status := p.try("larder", "run", flag, "--", "echo", "ran")
		if out != "" || status != 125 || !strings.Contains(errs, "no store") {
			t.Errorf("%s: status %d, output %q, says %q", flag, status, out, errs)
		}
	}
}

func TestMountRunKeptInstance(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	s, id := runStore(t, p, "/usr/bin/python3")
	runDir := "--run-dir=" + filepath.Join(t.TempDir(), "run")
	kept := filepath.Join(t.TempDir(), "kept")
	run := func(args ...string) (string, string, int) {
		return p.try("larder", append([]string{"run", runDir, "--instance", kept}, args...)...)
	}
	if _, errs, status := run("--", "sh", "-c", "echo mine > ~/.cache/pip/mine"); status != 0 {
		t.Fatal(errs)
	}
	leases, err := s.Leases()
	if err != nil || len(leases) != 1 || leases[0].Snapshot != id || leases[0].Instance != kept || leases[0].PID != 0 {
		t.Errorf("leases %+v, %v", leases, err)
	}
	if out, errs, _ := run("--", "sh", "-c", "cat ~/.cache/pip/mine ~/.cache/pip/http-v2/body"); out != "mine\nwheel" {
		t.Errorf("second run: %q, %q", out, errs)
	}
	// A newer snapshot becomes current: the instance stays with its own.
	newer := stock(t, s, "flask==3.0.3")
	if out, errs, _ := run("--", "cat", p.home()+"/.cache/pip/http-v2/body"); out != "wheel" {
		t.Errorf("after a newer snapshot: %q, %q", out, errs)
	}
	out, errs, status := run("--snapshot", newer.String(), "--", "echo", "ran")
	if status != 125 || out != "" || !strings.Contains(errs, "made over other files") {
		t.Errorf("over another snapshot: status %d, %q, %q", status, out, errs)
	}
	if n := entries(t, s, "instances"); n != 0 {
		t.Errorf("%d instances in the store", n)
	}
}

func TestMountKeepCommands(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	_, id := runStore(t, p, "/usr/bin/python3")
	dir := filepath.Join(t.TempDir(), "run")
	runDir := "--run-dir=" + dir
	reportFile := filepath.Join(t.TempDir(), "report.json")
	treeOf := func() string {
		var r struct{ Tree string }
		p.must("larder", "run", runDir, "--report", reportFile, "--", "true")
		b, err := os.ReadFile(reportFile)
		if err == nil {
			err = json.Unmarshal(b, &r)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r.Tree
	}
	if got := treeOf(); got != "file" {
		t.Errorf("tree from %q, want file", got)
	}
	for range 2 {
		if out := p.must("larder", "mount", runDir, "--user", "12345"); out != id.String()+"\n" {
			t.Errorf("mount prints %q", out)
		}
	}
	for _, name := range []string{"image", "tree", "tree-12345-12345"} {
		if _, err := os.Stat(filepath.Join(dir, "snapshots", id.String(), name)); err != nil {
			t.Error(err)
		}
	}
	if got := treeOf(); got != "kept tree" {
		t.Errorf("tree from %q, want the kept one", got)
	}
	var got mounted
	if err := json.Unmarshal([]byte(p.must("larder", "unmount", runDir, "--json")), &got); err != nil || got.Snapshot != id.String() || len(got.Kept) != 0 {
		t.Errorf("unmount: %+v, %v", got, err)
	}
	p.must("larder", "mount", runDir, "current")
	// The whole store may be gone by then.
	if err := os.Rename(filepath.Join(p.home(), "store"), filepath.Join(p.home(), "gone")); err != nil {
		t.Fatal(err)
	}
	p.must("larder", "unmount", runDir, id.String()[:10])
	p.must("larder", "unmount", runDir, "--all")
	p.must("larder", "unmount", runDir, "--all")
	for status, args := range map[int][]string{7: {"mount"}, 2: {"mount", "a", "b"}} {
		if _, errs, got := p.try("larder", append(args, runDir)...); got != status || errs == "" {
			t.Errorf("%v: status %d, want %d: %s", args, got, status, errs)
		}
	}
}

func TestMountDoctorCommand(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	out, errs, status := p.try("larder", "doctor")
	if status != 0 || errs != "" || !strings.Contains(out, "  ok      view: ") || !strings.Contains(out, "  ok      attach: ") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	if strings.Contains(out, " sources: ") {
		t.Errorf("sources are not asked for\n%s", out)
	}
	config := p.file("sdists.toml", "[build]\nsdists = \"pure\"\n")
	if out, errs, _ = p.try("larder", "--config", config, "doctor"); !strings.Contains(out, "  ok      sources: ") {
		t.Errorf("sources\n%s%s", out, errs)
	}
	if out, errs, _ = p.with("PATH=/nowhere").try("larder", "--config", config, "doctor"); !regexp.MustCompile(`(?m)^  warn    sources: .*runc.*\n +why: .*\n +fix: .*runc`).MatchString(out) {
		t.Errorf("no runtime\n%s%s", out, errs)
	}
	out, _, status = p.with("LARDER_STORE=/proc/nowhere").try("larder", "doctor", "--json")
	var got struct {
		OK     bool
		Checks []finding
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.OK || status != exitUnsupported {
		t.Errorf("status %d, %v:\n%s", status, err, out)
	}
	groups := map[string]bool{}
	for _, k := range got.Checks {
		groups[k.Group] = true
		if k.State != stateOK && k.Fix == "" || k.Why == "" {
			t.Errorf("%s: no fix, or no reason: %+v", k.Name, k)
		}
	}
	for _, want := range []string{"host", "runtimes", "store", "clients"} {
		if !groups[want] {
			t.Errorf("nothing about %s", want)
		}
	}
}

// Killed, a run leaves its instance and its lease, and gc takes both.
func TestMountRunKilledIsReaped(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	s, _ := runStore(t, p, "/usr/bin/python3")
	cmd := exec.Command(p.bin, "run", "--run-dir="+filepath.Join(t.TempDir(), "run"), "--", "sh", "-c", "echo x > ~/.cache/pip/new; echo ready; exec sleep 60")
	cmd.Env = p.env
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	p.must("larder", "gc")
	if i, l := entries(t, s, "instances"), entries(t, s, "leases"); i != 1 || l != 1 {
		t.Errorf("while it runs gc leaves %d instances and %d leases, want 1 and 1", i, l)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The command is killed with it, a moment later; until then its upper is in use.
	soon(t, "gc to reap it", func() bool {
		p.must("larder", "gc")
		return entries(t, s, "instances")+entries(t, s, "leases")+entries(t, s, "trash") == 0
	})
}

// Twenty at once, each with its own upper, and nothing left.
func TestMountRunAtOnce(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	p := newProgram(t)
	s, _ := runStore(t, p, "/usr/bin/python3")
	runDir := "--run-dir=" + filepath.Join(t.TempDir(), "run")
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			want := fmt.Sprintf("%d\nwheel", n)
			out, errs, status := p.try("larder", "run", runDir, "--required", "--", "sh", "-c",
				fmt.Sprintf("echo %d > ~/.cache/pip/mine; sleep 0.1; cat ~/.cache/pip/mine ~/.cache/pip/http-v2/body", n))
			if out != want || status != 0 || errs != "" {
				t.Errorf("status %d, output %q, want %q; %s", status, out, want, errs)
			}
		})
	}
	wg.Wait()
	for _, name := range []string{"instances", "leases", "trash"} {
		if n := entries(t, s, name); n != 0 {
			t.Errorf("%d left in %s", n, name)
		}
	}
}
