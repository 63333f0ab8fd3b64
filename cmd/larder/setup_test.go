package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"larder/builder"
	"larder/builder/pypi/pypitest"
	"larder/snapshot"
)

func TestSetupTimerRefuses(t *testing.T) {
	for _, args := range [][]string{
		{"setup", "timer", "--dir", filepath.Join(t.TempDir(), "absent")},
		{"setup", "timer", "weekly"},
		{"setup", "everything"},
		{"setup", "timer", "--no-such-flag"},
		{"setup", "timer", "--cron", "--metrics", "a\nb"},
	} {
		if out, err := larder(t, t.TempDir(), args...); exitCode(err) != exitUsage || out != "" {
			t.Errorf("%q: %v, printed %q", args, err, out)
		}
	}
}

func TestCronLine(t *testing.T) {
	store := filepath.Join(t.TempDir(), "a store, 100%")
	out, err := larder(t, store, "setup", "timer", "--cron", "--metrics", "/m.prom")
	const job = `nice -n 10 ionice -c 3 timeout \d+[hm] \S+ --store '.*a store, 100\\%' `
	want := regexp.MustCompile(`^@reboot ` + job + `mount >/dev/null\n[0-5]?\d [0-5] \* \* [0-6] ` + job + `build --metrics /m.prom --quiet >/dev/null; ` + job + `gc >/dev/null\n` +
		`[0-5]?\d \* \* \* \* ` + job + `gc --leftovers >/dev/null\n$`)
	if err != nil || !want.MatchString(out) {
		t.Errorf("%v: %q", err, out)
	}
	out, err = larder(t, store, "setup", "timer", "--cron", "--json")
	var r setupReport
	if jerr := json.Unmarshal([]byte(out), &r); err != nil || jerr != nil || len(r.Crontab) != 3 || r.Enable != "" {
		t.Errorf("%v, %v: %q", err, jerr, out)
	}
}

// What cron would send by mail: nothing of a week in which all went well.
func TestScriptCronIsQuiet(t *testing.T) {
	p := newProgram(t)
	world := pypitest.NewIndex(t, pypitest.Options{})
	w := pypitest.Wheel{Name: "alpha"}
	world.AddFile("alpha", pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
	config := p.file("config.toml", "[rank]\nranking = ["+quote(rankingFile(t, "alpha\n"))+"]\n[build]\nlayers = false\nviews = [\"simple\"]\n")
	if err := os.Chmod(config, 0o600); err != nil {
		t.Fatal(err)
	}
	p = p.with(world.Env()...).with("PIP_RETRIES=0")
	lines := strings.Split(strings.TrimSpace(p.must("larder", "--config", config, "setup", "timer", "--cron")), "\n")
	for _, line := range lines[1:] { // the first is of the boot: TestMountAtBoot
		job := strings.Join(strings.Fields(line)[5:], " ")
		if out, errs, status := p.try("sh", "-c", job); status != 0 || out+errs != "" {
			t.Errorf("%s: status %d, and said %s%s", job, status, out, errs)
		}
	}
	world.Fault(world.PagePath("alpha"), pypitest.Fault{Status: 503})
	if _, errs, status := p.try("larder", "--config", config, "build", "--quiet"); status != exitNetwork || !strings.HasPrefix(errs, "larder: ") {
		t.Errorf("a failure: status %d, %q", status, errs)
	}
}

// Units are root's to write: somebody else is told in one line what it takes.
func TestScriptSetupUnprivileged(t *testing.T) {
	p := newProgram(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "larder")
	p.must("cp", p.bin, bin)
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	units := filepath.Join(dir, "units")
	if err := os.Mkdir(units, 0o755); err != nil {
		t.Fatal(err)
	}
	out, errs, status := p.try("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", bin, "--store", "/nowhere", "setup", "timer", "--dir", units)
	if want := "larder: " + units + "/larder-build.service cannot be written by user 12345\nhint: run it as root, "; status != exitUsage || out != "" || !strings.HasPrefix(errs, want) {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	out = p.must(bin, "--store", "/nowhere", "setup", "timer", "--dir", units, "--json")
	var r setupReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Wrote) != 5 || !strings.HasPrefix(r.Enable, "systemctl ") {
		t.Errorf("%v: %s", err, out)
	}
}

// systemd reads back the words that were written, whatever is in them.
func TestUnitLine(t *testing.T) {
	got := unitLine([]string{"/usr/bin/larder", "--store", `/a b/50%/$HOME/"x"\y;`, ""})
	if want := `/usr/bin/larder --store "/a b/50%%/$$HOME/\"x\"\\y;" ""`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The units pass systemd's own check where it is there, and in any case the
// service's own command line does the job: a build, and none beside another.
func TestScriptSetupTimer(t *testing.T) {
	p := newProgram(t)
	world := pypitest.NewIndex(t, pypitest.Options{})
	w := pypitest.Wheel{Name: "alpha"}
	world.AddFile("alpha", pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
	dir, store := t.TempDir(), filepath.Join(t.TempDir(), "my store")
	metrics := filepath.Join(t.TempDir(), "larder.prom")
	config := filepath.Join(t.TempDir(), "config.toml")
	text := "[rank]\nranking = [" + quote(rankingFile(t, "alpha\n")) + "]\n[build]\nlayers = false\nviews = [\"simple\"]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, status := p.try("larder", "--store", store, "--config", config, "setup", "timer", "--dir", dir, "--metrics", metrics)
	if status != 0 || !strings.Contains(out, "systemctl enable --now larder-build.timer larder-gc.timer larder-mount.service") {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	service, err := os.ReadFile(filepath.Join(dir, serviceName))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"TimeoutStartSec=", "Nice=", "IOSchedulingClass=idle", "SuccessExitStatus=8"} {
		if !strings.Contains(string(service), want) {
			t.Errorf("the service has no %s", want)
		}
	}
	if timer, err := os.ReadFile(filepath.Join(dir, timerName)); err != nil || !strings.Contains(string(timer), "RandomizedDelaySec=") {
		t.Errorf("timer: %v\n%s", err, timer)
	}
	if analyze, err := exec.LookPath("systemd-analyze"); err == nil {
		out, err := exec.Command(analyze, "verify", filepath.Join(dir, serviceName), filepath.Join(dir, timerName),
			filepath.Join(dir, gcServiceName), filepath.Join(dir, gcTimerName), filepath.Join(dir, mountServiceName)).CombinedOutput()
		if err != nil || strings.Contains(string(out), "larder-") {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	} else {
		t.Log("no systemd-analyze here: the units' command lines are run, their other lines are not checked")
	}
	run := func() (string, int) {
		t.Helper()
		line := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(service)
		if line == nil {
			t.Fatal("no ExecStart")
		}
		// The quotes systemd reads are the shell's here: no word has more than a space.
		cmd := exec.Command("sh", "-c", "exec "+string(line[1]))
		cmd.Env = append(append(append([]string{}, p.env...), world.Env()...), "PIP_RETRIES=0")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	if out, code := run(); code != 0 || !strings.Contains(out, "published and current") {
		t.Fatalf("exit %d\n%s", code, out)
	}
	s, err := snapshot.Open(store)
	if err != nil {
		t.Fatal(err)
	}
	current, err := s.Current()
	if err != nil {
		t.Fatal(err)
	}
	// The other service's line takes what is dead, and no snapshot.
	if err := os.MkdirAll(filepath.Join(store, "trash/parked/u"), 0o700); err != nil {
		t.Fatal(err)
	}
	leftovers, err := os.ReadFile(filepath.Join(dir, gcServiceName))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindSubmatch(leftovers)
	if out, err := exec.Command("sh", "-c", "exec "+string(line[1])).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line[1], err, out)
	}
	if left, err := os.ReadDir(filepath.Join(store, "trash")); err != nil || len(left) != 0 {
		t.Errorf("%d left in the trash, %v", len(left), err)
	}
	// Beside another one: busy, and said so in the history.
	st, err := s.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out, code := run(); code != exitBusy {
		t.Errorf("beside another: exit %d\n%s", code, out)
	}
	st.Close()
	// The index is down: the snapshot stays.
	world.Fault(world.PagePath("alpha"), pypitest.Fault{Status: 503})
	if out, code := run(); code != exitNetwork {
		t.Errorf("without an index: exit %d\n%s", code, out)
	}
	if now, err := s.Current(); err != nil || now != current {
		t.Errorf("current: %v, %v", now, err)
	}
	lines := history(t, s)
	if len(lines) != 3 || lines[0].Exit != 0 || lines[0].Wheels != 1 || lines[0].Snapshot != current.String() || lines[1].Exit != exitBusy || lines[2].Exit != exitNetwork || lines[2].Error == "" {
		t.Errorf("history: %+v", lines)
	}
	b, err := os.ReadFile(metrics)
	if err != nil || !strings.Contains(string(b), "larder_build_exit_code 10\n") || !strings.Contains(string(b), "larder_build_last_success_timestamp_seconds ") {
		t.Errorf("metrics: %v\n%s", err, b)
	}
}

func history(t *testing.T, s *snapshot.Store) (lines []builder.Run) {
	t.Helper()
	b, err := os.ReadFile(s.HistoryPath())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(b), "\n"), "\n") {
		var l builder.Run
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		lines = append(lines, l)
	}
	return lines
}
