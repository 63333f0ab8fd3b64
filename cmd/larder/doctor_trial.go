package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"github.com/opencontainers/runtime-spec/specs-go"
	"github.com/urfave/cli/v2"

	"larder/cmd/internal/definition"
	"larder/overlay"
	"larder/snapshot"
)

// trial is a container that is created with the hook, looked at and deleted. It is never started: the hook
// is run before that, and so no program has to be found that runs in a root of its own.
type trial struct {
	runtime string // path of runc or crun
	hook    definition.Hook
	store   string
	dir     string // scratch, in the store's directory
}

// trialPrefix begins the names of scratch directories. A trial takes seconds: one that is older than trialLife
// is of a doctor that was killed.
const (
	trialPrefix = ".larder-doctor-"
	trialLife   = 10 * time.Minute
)

// id is the container's, by which a later doctor finds it, too.
func (t *trial) id() string { return strings.TrimPrefix(filepath.Base(t.dir), ".") }

// sweep ends and removes what killed doctors left.
func (t *trial) sweep(ctx context.Context) {
	dirs, _ := filepath.Glob(filepath.Join(t.store, trialPrefix+"*"))
	for _, dir := range dirs {
		if info, err := os.Lstat(dir); err == nil && info.IsDir() && time.Since(info.ModTime()) > trialLife {
			old := trial{runtime: t.runtime, dir: dir}
			ctx, done := shortly(ctx)
			_ = old.do(ctx, "delete", "--force", old.id())
			done()
			_ = os.RemoveAll(dir)
		}
	}
}

// trialCheck tries one container where it can, and says what it got.
func trialCheck(c *cli.Context, store string, used []hookFile) finding {
	const name, why = "trial container", "that each part is there does not say that they work together"
	t, err := newTrial(c, store, used)
	if err == nil {
		t.sweep(c.Context)
		t.dir, err = os.MkdirTemp(t.store, trialPrefix)
	}
	if err != nil {
		return judge("runtimes", name, "", why, fmt.Errorf("not tried: %w", err), stateUnknown, hintOf(err))
	}
	defer os.RemoveAll(t.dir)
	ctx, done := shortly(c.Context)
	defer done()
	got, err := t.run(ctx)
	return judge("runtimes", name, filepath.Base(t.runtime)+": "+got, why, err, stateWarn,
		"mend what the hook or the runtime says; larder doctor --container ID looks at one that runs")
}

// newTrial finds all that a trial needs; the error says what lacks.
func newTrial(c *cli.Context, store string, used []hookFile) (*trial, error) {
	t := &trial{}
	if os.Geteuid() != 0 {
		return nil, lacks("not root", "run as root")
	}
	for _, name := range []string{"runc", "crun"} {
		if path, err := exec.LookPath(name); err == nil && t.runtime == "" {
			t.runtime = path
		}
	}
	if t.runtime == "" {
		return nil, lacks("neither runc nor crun is on PATH", "install runc")
	}
	s, err := snapshot.Open(store)
	if err == nil {
		_, err = s.Current()
	}
	if err != nil {
		return nil, lacks(err.Error(), "larder build")
	}
	t.store = s.Dir()
	if t.hook, err = trialHook(c, t.store, used); err != nil {
		return nil, lacks(err.Error(), "make install")
	}
	return t, nil
}

func lacks(what, fix string) error {
	return &overlay.Problem{Kind: errors.ErrUnsupported, Text: what, Advice: fix}
}

// trialHook is the hook that the runtimes' definitions name, else the usual one.
func trialHook(c *cli.Context, store string, used []hookFile) (h definition.Hook, err error) {
	if at := slices.IndexFunc(used, func(d hookFile) bool { return d.program != "" }); at >= 0 {
		h.Path = used[at].program
	} else if h.Path, err = programPath("", "hook", "larder-hook"); err != nil {
		return h, err
	}
	if h.Path, err = checkHook(c, h.Path); err != nil {
		return h, err
	}
	h.Common = []string{"--store", store}
	if config := globalString(c, "config"); config != "" {
		if config, err = filepath.Abs(config); err != nil {
			return h, err
		}
		h.Common = append(h.Common, "--config", config)
	}
	return h, nil
}

// run creates the container, and says what it has of the snapshot.
func (t *trial) run(ctx context.Context) (got string, err error) {
	if err := t.bundle(); err != nil {
		return "", err
	}
	pidFile := filepath.Join(t.dir, "pid")
	err = t.do(ctx, "create", "--bundle", t.dir, "--pid-file", pidFile, t.id())
	if err == nil {
		got, err = t.look(pidFile)
		// Whatever became of what was asked: nothing is left of it.
		ctx, done := shortly(context.WithoutCancel(ctx))
		defer done()
		err = errors.Join(err, t.do(ctx, "delete", "--force", t.id()))
	}
	return got, err
}

// do runs the runtime. What it prints goes to a file: the container's process has it, too, and outlives it.
func (t *trial) do(ctx context.Context, args ...string) error {
	said, err := os.Create(filepath.Join(t.dir, "said"))
	if err != nil {
		return err
	}
	defer said.Close()
	cmd := exec.CommandContext(ctx, t.runtime, append([]string{"--root", filepath.Join(t.dir, "state")}, args...)...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(said.Name())
		return fmt.Errorf("%s %s: %w: %s", filepath.Base(t.runtime), args[0], err, strings.Join(strings.Fields(string(text)), " "))
	}
	return nil
}

// bundle writes a root without programs but this one, which a runtime looks for and nobody starts.
func (t *trial) bundle() error {
	for _, d := range []string{"proc", "dev", "root", "mnt", "tmp"} {
		if err := os.MkdirAll(filepath.Join(t.dir, "rootfs", d), 0o755); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	t.hook.Common = append(t.hook.Common, "--log", t.log())
	spec, err := json.Marshal(trialSpec(self))
	if err != nil {
		return err
	}
	text, err := definition.InBundle(spec, t.hook)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(t.dir, "config.json"), text, 0o600)
}

func (t *trial) log() string { return filepath.Join(t.dir, "log") }

// trialSpec is a container of root's with a home, in namespaces of its own.
func trialSpec(program string) specs.Spec {
	return specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{Args: []string{"/larder"}, Cwd: "/", Env: []string{"HOME=/root"}},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755"}},
			{Destination: "/larder", Type: "bind", Source: program, Options: []string{"bind", "ro"}},
		},
		Linux: &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.PIDNamespace}, {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}}},
	}
}

// look finds Larder's mounts where the container's process sees them.
func (t *trial) look(pidFile string) (string, error) {
	pid, err := os.ReadFile(pidFile)
	if err != nil {
		return "", err
	}
	f, err := os.Open("/proc/" + strings.TrimSpace(string(pid)) + "/mountinfo")
	if err != nil {
		return "", err
	}
	defer f.Close()
	var at []string
	_, err = mountinfo.GetMountsFromReader(f, func(m *mountinfo.Info) (skip, stop bool) {
		if strings.HasPrefix(m.Source, overlay.SourcePrefix) {
			at = append(at, m.Mountpoint)
		}
		return true, false
	})
	if err != nil {
		return "", err
	}
	line := t.said()
	if len(at) == 0 || strings.Contains(line, "left out: ") {
		return "", fmt.Errorf("%s attached %d mounts; the hook said: %s", filepath.Base(t.runtime), len(at), line)
	}
	return "attached at " + strings.Join(at, ", "), nil
}

// said is what the hook wrote of the attach.
func (t *trial) said() string {
	text, _ := os.ReadFile(t.log())
	for line := range strings.Lines(string(text)) {
		if _, after, ok := strings.Cut(line, " attach "+t.id()+": "); ok {
			said, _, _ := strings.Cut(strings.TrimSpace(after), " ms=")
			return said
		}
	}
	return "nothing"
}
