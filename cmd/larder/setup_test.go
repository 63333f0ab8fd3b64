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
	if err != nil || !regexp.MustCompile(`^[0-5]?\d [0-5] \* \* [0-6] nice -n 10 ionice -c 3 timeout 12h \S+ --store '.*a store, 100\\%' build --metrics /m.prom >/dev/null\n`+
		`[0-5]?\d \* \* \* \* nice -n 10 ionice -c 3 timeout 30m \S+ --store '.*a store, 100\\%' gc --leftovers >/dev/null\n$`).MatchString(out) {
		t.Errorf("%v: %q", err, out)
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
	if status != 0 || !strings.Contains(out, "systemctl enable --now larder-build.timer larder-gc.timer") {
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
			filepath.Join(dir, gcServiceName), filepath.Join(dir, gcTimerName)).CombinedOutput()
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
