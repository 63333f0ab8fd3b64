package main

import (
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/cmd/internal/config"
	"larder/overlay/overlaytest"
)

// built builds the hook as it is shipped, once. LARDER_TEST_BIN is where there is one already, on a
// host that cannot build.
var built = sync.OnceValues(func() (string, error) {
	if bin := os.Getenv("LARDER_TEST_BIN"); bin != "" {
		return filepath.Join(bin, "larder-hook"), nil
	}
	dir, err := os.MkdirTemp("", "larder-hook-test")
	if err != nil {
		return "", err
	}
	// For the tests that run it as somebody else.
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "larder-hook")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w"+guardFlag()+overlaytest.LinkFlags(), "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return string(out), err
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := built(); err == nil && os.Getenv("LARDER_TEST_BIN") == "" {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func hookBinary(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, path)
	}
	return path
}

// hook runs the built hook and returns its exit status and stderr.
func hook(t testing.TB, stdin string, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, hookBinary(t), args...)
	cmd.Env = []string{"LD_PRELOAD=/nowhere.so", "HOME=/nowhere", "TMPDIR=/nowhere"}
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if stdout.Len() > 0 {
		t.Errorf("stdout: %q", stdout.String())
	}
	return cmd.ProcessState.ExitCode(), stderr.String()
}

// The hook may never be able to download, nor carry what slows its start.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		dep = strings.TrimSpace(dep)
		for _, never := range []string{"net", "net/http", "crypto/tls", "github.com/urfave/cli/v2", "text/template", "larder/builder", "larder/popularity/sources", "larder/popularity/simulate"} {
			if dep == never || strings.HasPrefix(dep, never+"/") && never != "net" {
				t.Errorf("larder-hook depends on %s", dep)
			}
		}
	}
	if !strings.Contains(string(out), "larder/overlay/oci\n") {
		t.Errorf("go list printed no dependencies of ours:\n%s", out)
	}
}

func TestStatic(t *testing.T) {
	f, err := elf.Open(hookBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the hook has a %v: it is not static", p.Type)
		}
	}
	if len(f.Progs) == 0 {
		t.Error("no program headers were read")
	}
}

// No package of the hook may spend long before main: it is started for every
// container. The quickest of a few starts counts.
func TestInit(t *testing.T) {
	best := map[string]float64{}
	for range 10 {
		cmd := exec.Command(hookBinary(t), "--help")
		cmd.Env = []string{"GODEBUG=inittrace=1"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)
			if len(f) < 6 || f[0] != "init" {
				continue
			}
			ms, err := time.ParseDuration(f[4] + f[5])
			if err != nil {
				ms, err = time.ParseDuration(f[4] + "ms")
			}
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if old, ok := best[f[1]]; !ok || ms.Seconds() < old {
				best[f[1]] = ms.Seconds()
			}
		}
	}
	if len(best) < 5 {
		t.Fatalf("inittrace printed %v", best)
	}
	for name, s := range best {
		if s > 200e-6 && name != "runtime" {
			t.Errorf("init of %s takes %.3f ms", name, 1000*s)
		}
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"attach", "--profile", "ml", "--required", "--store", "/s", "--config=/c", "--log", "/l"}, "/env")
	if err != nil || o.profile != "ml" || !o.required || o.store != "/s" || o.config != "/c" || o.log != "/l" {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := parse([]string{"release"}, "/env"); err != nil || o.store != "/env" {
		t.Errorf("LARDER_STORE: %+v, %v", o, err)
	}
	for _, args := range [][]string{
		{}, {"attachh"}, {"attach", "x"}, {"attach", "--nope"}, {"attach", "--store", "rel"}, {"attach", "--config", "rel"},
		{"attach", "--profile", "../x"}, {"attach", "--log", "log"}, {"release", "--required"}, {"attach", "--store"},
	} {
		if _, err := parse(args, ""); err == nil {
			t.Errorf("%q: accepted", args)
		}
		status, stderr := hook(t, "", args...)
		if status != exitUsage || !strings.HasPrefix(stderr, "larder-hook: usage") || !strings.Contains(stderr, "usage: larder-hook attach") {
			t.Errorf("%q: exit %d, %q", args, status, stderr)
		}
	}
	if status, stderr := hook(t, "", "--help"); status != 0 || !strings.Contains(stderr, "usage: larder-hook attach") {
		t.Errorf("--help: exit %d, %q", status, stderr)
	}
}

func TestChooseProfile(t *testing.T) {
	cfg := config.Default()
	cfg.Profile = map[string]config.Profile{"ml": {Requestable: true, Snapshot: "previous"}, "ops": {}}
	for _, tc := range []struct {
		flag, annotation, want string
	}{
		{"", "", "default"}, {"ops", "", "ops"}, {"ops", "ml", "ml"}, {"", "ops", ""}, {"", "default", "default"}, {"ops", "default", ""}, {"ops", "ops", "ops"}, {"", "../ml", ""}, {"none", "", ""},
	} {
		name, _, err := chooseProfile(cfg, tc.flag, tc.annotation)
		if tc.want == "" && err == nil || tc.want != "" && (err != nil || name != tc.want) {
			t.Errorf("flag %q, annotation %q: %q, %v; want %q", tc.flag, tc.annotation, name, err, tc.want)
		}
	}
}

// Whatever is wrong before the container is looked at: best effort lets it
// start and says one line, --required does not.
func TestAttachRefuses(t *testing.T) {
	dir := t.TempDir()
	state := func(bundle, pid string) string {
		return `{"id":"c1","status":"creating","pid":` + pid + `,"bundle":"` + bundle + `"}`
	}
	bundle := func(name, text string) string {
		b := filepath.Join(dir, name)
		if err := os.Mkdir(b, 0o755); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(filepath.Join(b, "config.json"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return b
	}
	badConfig := filepath.Join(dir, "bad.toml")
	if err := os.WriteFile(badConfig, []byte("stor = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := bundle("good", `{"root":{"path":"rootfs"}}`)
	for _, tc := range []struct {
		name, in string
		args     []string
		want     string
	}{
		{"nothing", "", nil, "container state: empty"},
		{"garbage", "garbage", nil, "container state: not JSON"},
		{"2 MiB", strings.Repeat(" ", 2<<20), nil, "larger than 1048576 bytes"},
		{"pid 1", state(good, "1"), nil, "pid 1"},
		{"pid 0", state(good, "0"), nil, "pid 0"},
		{"stopped", `{"id":"c1","status":"stopped"}`, nil, `status "stopped"`},
		{"relative bundle", state("x", "4242"), nil, `bundle "x" is not an absolute path`},
		{"missing bundle", state(dir+"/none", "4242"), nil, "no such file"},
		{"no config.json", state(bundle("empty", ""), "4242"), nil, "no such file"},
		{"malformed config.json", state(bundle("malformed", "{"), "4242"), nil, "cut short"},
		{"bad configuration", state(good, "4242"), []string{"--config", badConfig}, `line 1: unknown key "stor"; did you mean store?`},
		{"no configuration", state(good, "4242"), []string{"--config", dir + "/none.toml"}, "no such file"},
		{"unknown profile", state(good, "4242"), []string{"--profile", "ml"}, `no profile "ml"`},
		{"no store", state(good, "4242"), []string{"--store", dir + "/nostore"}, "no store at"},
		{"no root", state(bundle("noroot", "{}"), "4242"), []string{"--store", emptyStore(t)}, "no root file system named"},
		{"host root", state(bundle("hostroot", `{"root":{"path":"/"}}`), "4242"), []string{"--store", emptyStore(t)}, "the root file system is the host's"},
		{"dead pid", state(good, "4194303"), []string{"--store", emptyStore(t)}, "no process 4194303"},
		{"asks for a profile", `{"id":"c1","status":"creating","pid":4242,"bundle":"` + good + `","annotations":{"dev.larder.profile":"../../etc"}}`, nil, "asks for a profile by a name that is none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			args := append([]string{"attach", "--log", log}, tc.args...)
			if !slices.Contains(tc.args, "--config") {
				args = append(args, "--config", emptyConfig(t))
			}
			status, stderr := hook(t, tc.in, args...)
			if status != 0 || !strings.Contains(stderr, tc.want) || strings.Count(stderr, "\n") != 1 || !strings.HasPrefix(stderr, "larder-hook: attach") {
				t.Errorf("exit %d, %q; want 0 and one line with %q", status, stderr, tc.want)
			}
			if logged, err := os.ReadFile(log); err != nil || !strings.Contains(string(logged), tc.want) {
				t.Errorf("log %q, %v", logged, err)
			}
			if status, stderr := hook(t, tc.in, append(args, "--required")...); status != exitRequired || !strings.Contains(stderr, tc.want) {
				t.Errorf("required: exit %d, %q", status, stderr)
			}
			args[0] = "release"
			args = slices.DeleteFunc(args, func(a string) bool { return a == "--profile" || a == "ml" })
			if status, stderr := hook(t, tc.in, args...); status != 0 || strings.Count(stderr, "\n") > 1 {
				t.Errorf("release: exit %d, %q", status, stderr)
			}
		})
	}
}

func emptyConfig(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A misspelt view would be attached nowhere without a word: it is refused with the whole file.
func TestHookRefusesAnUnknownView(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte("[profile.default]\nviews = [\"pipp\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), `profile.default.views: no view "pipp"; did you mean pip?`) {
		t.Errorf("%v", err)
	}
	for _, view := range []string{"wheels", "pip", "pip-old", "uv", "poetry"} { // every client's, by this program's table
		if err := os.WriteFile(path, fmt.Appendf(nil, "[profile.default]\nviews = [%q]\n", view), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Load(path); err != nil {
			t.Errorf("%s: %v", view, err)
		}
	}
}
