//go:build linux && amd64

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// container is one without a runtime: a process in a mount namespace of its own, and a root.
type container struct {
	cmd    *exec.Cmd // until its standard input ends, or it is killed
	bundle string
}

const containerID = "c1"

// startContainer starts the case's container, in the place of an earlier one.
func (w *world) startContainer(ctx context.Context) (*container, error) {
	w.endContainer()
	c := &container{bundle: w.path("bundle")}
	if err := os.RemoveAll(c.bundle); err != nil {
		return nil, err
	}
	for _, dir := range []string{"home/a", "mnt", "etc", "proc"} {
		if err := os.MkdirAll(filepath.Join(c.root(), dir), 0o755); err != nil {
			return nil, err
		}
	}
	spec, err := json.Marshal(specs.Spec{Root: &specs.Root{Path: "rootfs"}, Process: &specs.Process{Env: []string{"HOME=/home/a"}}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(c.bundle, "config.json"), spec, 0o644); err != nil {
		return nil, err
	}
	c.cmd = exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "sh", "-c", `mount --rbind "$0" "$0" && echo ready && exec cat`, c.root())
	if _, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	w.box = c
	return c, start(c.cmd)
}

// endContainer ends the case's container, if it has one.
func (w *world) endContainer() {
	if c := w.box; c != nil && c.cmd.Process != nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
		w.box = nil
	}
}

func (c *container) root() string { return filepath.Join(c.bundle, "rootfs") }

// hook is a call of the hook for the container, as a runtime makes it.
func (c *container) hook(w *world, verb string, args ...string) invocation {
	state := specs.State{Version: "1.0.2", ID: containerID, Status: specs.StateCreating, Pid: c.cmd.Process.Pid, Bundle: c.bundle}
	if verb == "release" {
		state.Status, state.Pid = specs.StateStopped, 0
	}
	b, _ := json.Marshal(state)
	args = append([]string{filepath.Join(w.bin, "larder-hook"), verb, "--store", w.store(), "--config", configFile, "--log", "/dev/null"}, args...)
	return invocation{args: args, stdin: string(b)}
}

// attached says whether the container has pip's cache.
func (c *container) attached() error {
	_, err := os.Stat(fmt.Sprintf("/proc/%d/root%s/home/a/.cache/pip/http-v2", c.cmd.Process.Pid, c.root()))
	return err
}
