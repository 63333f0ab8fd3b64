package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/cmd/internal/readiness"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// below writes files under a new root.
func below(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// Whether a runtime runs the hook is read from where it looks, and the hook is the one named there.
func TestDoctorHook(t *testing.T) {
	const hooks, program = "etc/containers/oci/hooks.d/larder-attach.json", "usr/local/libexec/larder/larder-hook"
	shipped, err := os.ReadFile("../../scripts/larder-attach.json")
	if err != nil {
		t.Fatal(err)
	}
	cdi, err := os.ReadFile("../../scripts/larder-cdi.json")
	if err != nil {
		t.Fatal(err)
	}
	moved := `{"hook": {"path": "/opt/larder-hook", "args": ["larder-hook", "attach", "--log", "/var/log/hook.log"]}}`
	for _, tc := range []struct {
		name      string
		files     map[string]string
		dirs      []string
		found     int
		hook, log string // states
		detail    string
	}{
		{"nothing", nil, hooksDirs, 0, stateWarn, stateWarn, "is not there"},
		{"as shipped", map[string]string{hooks: string(shipped), program: "x"}, hooksDirs, 1, stateOK, stateWarn, "/" + program},
		{"for CDI", map[string]string{"etc/cdi/larder.json": string(cdi), program: "x"}, cdiDirs, 1, stateOK, stateWarn, "/" + program},
		{"the program lacks", map[string]string{hooks: string(shipped)}, hooksDirs, 1, stateWarn, stateWarn, "no such file"},
		{"another program, and a log", map[string]string{hooks: moved, "opt/larder-hook": "x"}, hooksDirs, 1, stateOK, stateOK, "/opt/larder-hook"},
		{"somebody else's", map[string]string{hooks: `{"hook": {"path": "/opt/nvidia"}}`}, hooksDirs, 0, stateWarn, stateWarn, "is not there"},
		{"no JSON", map[string]string{hooks: "larder-hook"}, hooksDirs, 1, stateWarn, stateWarn, "no such file"},
	} {
		root := below(t, tc.files)
		found := definitions(root, tc.dirs)
		if len(found) != tc.found {
			t.Errorf("%s: found %+v", tc.name, found)
		}
		hook, log := hookCheck(root, found), logCheck(root, found)
		if hook.State != tc.hook || log.State != tc.log || !strings.Contains(hook.Detail, tc.detail) {
			t.Errorf("%s: %+v, %+v", tc.name, hook, log)
		}
	}
	root := below(t, map[string]string{hooks: string(shipped), program: "x", "dev/null": ""})
	if err := os.Chmod(filepath.Join(root, program), 0o777); err != nil {
		t.Fatal(err)
	}
	if k := hookCheck(root, definitions(root, hooksDirs)); k.State != stateWarn || !strings.Contains(k.Detail, "others can write") {
		t.Errorf("a program that anybody can replace: %+v", k)
	}
	t.Chdir(filepath.Join(root, "dev")) // a socket's path is short
	l, err := net.ListenPacket("unixgram", "log")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if k := logCheck(root, nil); k.State != stateOK || !strings.Contains(k.Detail, "journalctl -t larder-hook") {
		t.Errorf("a log: %+v", k)
	}
}

// A plugin that was set up is registered now, or it is said; then its runtime needs nothing else.
func TestDoctorPlugin(t *testing.T) {
	bin := below(t, map[string]string{"containerd": "#!/bin/sh\n"})
	t.Setenv("PATH", bin)
	const unit = "etc/systemd/system/larder-nri.service"
	for _, tc := range []struct {
		name             string
		files            map[string]string
		runtime          string // that it is registered with; "" with none
		age              time.Duration
		engine, plugin   string // states
		says, saysPlugin string
	}{
		{"no plugin", nil, "", 0, stateWarn, "", "names larder-hook", ""},
		{"set up", map[string]string{unit: "x"}, "", 0, stateWarn, stateWarn, "names larder-hook", "nri.json is not"},
		{"registered", map[string]string{unit: "x"}, "containerd v2.1.9", 0, stateOK, stateOK, "larder-nri, registered with containerd v2.1.9", "registered with containerd"},
		{"with another runtime", nil, "cri-o 1.30", 0, stateWarn, stateOK, "names larder-hook", "registered with cri-o"},
		{"stopped", nil, "containerd v2.1.9", time.Minute, stateWarn, stateWarn, "names larder-hook", "dead or stopped"},
	} {
		root := below(t, tc.files)
		if tc.runtime != "" {
			path := filepath.Join(root, readiness.Path)
			then := time.Now().Add(-tc.age)
			if err := errors.Join(readiness.Write(path, tc.runtime), os.Chtimes(path, then, then)); err != nil {
				t.Fatal(err)
			}
		}
		checks, _ := runtimeChecks(root)
		states, details := map[string]string{}, map[string]string{}
		for _, k := range checks {
			states[k.Name], details[k.Name] = k.State, k.Detail
		}
		if states["containerd"] != tc.engine || !strings.Contains(details["containerd"], tc.says) {
			t.Errorf("%s: containerd %s: %s", tc.name, states["containerd"], details["containerd"])
		}
		if states["larder-nri"] != tc.plugin || !strings.Contains(details["larder-nri"], tc.saysPlugin) {
			t.Errorf("%s: larder-nri %s: %s", tc.name, states["larder-nri"], details["larder-nri"])
		}
	}
}

// The timer counts when it is enabled, cron when a line builds, and the last build by its end and age.
func TestDoctorTimerAndLastBuild(t *testing.T) {
	for _, tc := range []struct {
		name, state, text string
		files             map[string]string
	}{
		{"none", stateWarn, "larder setup timer", nil},
		{"written", stateWarn, "systemctl daemon-reload && systemctl enable --now " + timerName, map[string]string{"etc/systemd/system/" + timerName: ""}},
		{"enabled", stateOK, "is enabled", map[string]string{"etc/systemd/system/timers.target.wants/" + timerName: ""}},
		{"cron", stateOK, "cron.d/larder", map[string]string{"etc/cron.d/larder": "# weekly\n1 2 * * 3 root nice larder build >/dev/null\n"}},
		{"switched off", stateWarn, "larder setup timer", map[string]string{"etc/crontab": "#1 2 * * 3 root larder build\n"}},
		{"another's", stateWarn, "larder setup timer", map[string]string{"etc/crontab": "1 2 * * 3 root make build\n"}},
	} {
		if k := timerCheck(below(t, tc.files)); k.State != tc.state || !strings.Contains(k.Detail+k.Fix, tc.text) {
			t.Errorf("%s: %+v", tc.name, k)
		}
	}
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	for _, tc := range []struct{ history, state, text string }{
		{"", stateWarn, "no build is noted"},
		{"torn", stateWarn, "no build is noted"},
		{`{"time":"2026-11-20T00:00:00Z","exit":0,"wheels":7}`, stateOK, "7 wheels"},
		{`{"time":"2026-11-20T00:00:00Z","exit":8,"wheels":7,"skipped":2}` + "\n{", stateOK, "2 skipped"},
		{`{"time":"2026-11-20T00:00:00Z","exit":0}` + "\n" + `{"time":"2026-11-21T00:00:00Z","exit":10,"error":"the index is silent"}`, stateWarn, "with 10: the index is silent"},
		{`{"time":"2026-10-20T00:00:00Z","exit":0}`, stateWarn, "33 days ago"},
		{`{"time":"2026-11-20T00:00:00Z","command":"build","exit":0,"wheels":7}` + "\n" + `{"time":"2026-11-21T00:00:00Z","command":"gc","exit":0}`, stateOK, "7 wheels"},
	} {
		path := filepath.Join(below(t, map[string]string{"history": tc.history}), "history")
		if k := lastBuildCheck(path, "wheel", now); k.State != tc.state || !strings.Contains(k.Detail, tc.text) {
			t.Errorf("%s: %+v", tc.history, k)
		}
	}
}

// A version of pip is held against the view it reads; versions are found in what clients print.
func TestDoctorClients(t *testing.T) {
	for out, want := range map[string]string{"pip 26.3 from /usr/lib (python 3.11)": "26.3", "uv 0.13.8 (abc 2026-01-01)": "0.13.8", "Poetry (version 2.1.4)": "2.1.4", "no idea": "", "": ""} {
		if got := versionIn(out); got != want {
			t.Errorf("%q: %q", out, got)
		}
	}
	doctorPatience = time.Minute
	clients := ecosystem.Clients()
	for version, want := range map[string]string{"23.2.1": "pip-old", "20.0": "pip-old", "23.3": "pip", "26.3": "pip"} {
		if got := readBy(clients[0], version); len(got) != 2 || got[0] != "wheels" || got[1] != want {
			t.Errorf("pip %s reads %v", version, got)
		}
	}
	for version, want := range map[string]bool{"23.0.1": true, "23.1": false, "26.3": false} {
		if got := hits(clients[0], version, "wheels", []string{"wheels", "pip"}); strings.Contains(got, "hashes are required") != want {
			t.Errorf("pip %s: %s", version, got)
		}
	}
	if got := hits(clients[0], "23.0.1", "wheels", []string{"wheels", "pip-old"}); strings.Contains(got, "hashes") {
		t.Error(got)
	}
	// Whatever pip is here, it hits where its view is, and nowhere else.
	for _, tc := range []struct{ views, state string }{{"pip pip-old", stateOK}, {"wheels", stateOK}, {"simple", stateWarn}} {
		checks := clientChecks(t.Context(), &snapshot.Manifest{Views: strings.Fields(tc.views)})
		if len(checks) == 0 || checks[0].Name != "pip" || checks[0].State != tc.state || tc.state != stateOK && !strings.Contains(checks[0].Fix, "larder build --view wheels") {
			t.Errorf("%s: %+v", tc.views, checks)
		}
	}
}

// An index that does not answer is a warning within seconds, and names the command that shows which it is.
func TestDoctorIndex(t *testing.T) {
	t.Setenv("PIP_INDEX_URL", "http://user:secret@127.0.0.1:9/simple/")
	t.Setenv("PIP_CONFIG_FILE", os.DevNull)
	k := indexCheck(t.Context(), nil)
	if k.State != stateWarn || !strings.Contains(k.Fix, "pip config list") || strings.Contains(k.Detail, "secret") {
		t.Errorf("%+v", k)
	}
	if !sameIndex("https://index.example/simple/", "https://index.example/simple") || withoutUser("https://u:p@index.example/simple/?token=x") != "https://index.example/simple/" {
		t.Error("addresses are not compared as such")
	}
}

// User namespaces are counted where the kernel tells.
func TestDoctorNamespaces(t *testing.T) {
	root := below(t, map[string]string{"none": "0\n", "some": "96365\n", "odd": "x"})
	for name, want := range map[string]string{"none": stateWarn, "some": stateOK, "odd": stateWarn, "absent": stateUnknown} {
		if k := namespacesCheck(filepath.Join(root, name)); k.State != want || k.State != stateOK && !strings.Contains(k.Fix, "sysctl") {
			t.Errorf("%s: %+v", name, k)
		}
	}
}
