package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"larder/snapshot/failpoint"
)

// container is one that runs.
type container struct {
	keeper  *exec.Cmd
	limits  Limits
	name    string // of its group
	counted bool   // memory and processes, by the group
	space   space

	mu    sync.Mutex
	limit string // the first that was met
	log   bytes.Buffer
}

// watch runs the container of the bundle, and ends it at its limits.
func (r *Runner) watch(ctx context.Context, l Limits, name string, output *os.Root) (*Result, error) {
	dir, err := output.Open(".")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	space, err := newSpace(dir)
	if err != nil {
		return nil, err
	}
	c := &container{limits: l, name: name, counted: r.groups.memory && r.groups.processes, space: space}
	pipes, err := c.start(r.dir.Name(), r.runtime)
	if err != nil {
		return nil, err
	}
	defer pipes.close()
	failpoint.Here("sandbox: keeper started")
	ended := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { c.guard(ctx, ended) })
	others.Go(func() { c.read(pipes.log) })
	text, _ := io.ReadAll(pipes.report)
	close(ended)
	c.meet(c.met()) // before the keeper's number can be another's
	werr := c.keeper.Wait()
	others.Wait()
	return c.result(ctx, text, werr, output)
}

// pipes are our ends of those to the keeper.
type pipes struct{ report, log, leash *os.File }

func (p pipes) close() {
	for _, f := range []*os.File{p.report, p.log, p.leash} {
		f.Close()
	}
}

// start starts the keeper.
func (c *container) start(dir string, runtime []string) (ours pipes, err error) {
	var theirs pipes
	defer func() {
		theirs.close()
		if err != nil {
			ours.close()
		}
	}()
	for _, p := range []struct{ r, w **os.File }{{&ours.report, &theirs.report}, {&ours.log, &theirs.log}, {&theirs.leash, &ours.leash}} {
		if *p.r, *p.w, err = os.Pipe(); err != nil {
			return ours, err
		}
	}
	c.keeper = &exec.Cmd{
		Path: "/proc/self/exe", Args: append([]string{keeperName, dir}, runtime...), Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: "/",
		Stdout: theirs.log, Stderr: theirs.log, ExtraFiles: []*os.File{theirs.report, theirs.leash},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:   unix.CLONE_NEWPID | unix.CLONE_NEWUTS,
			Unshareflags: unix.CLONE_NEWNS, // its /proc is not the thread's
			Pdeathsig:    unix.SIGKILL,
		},
	}
	if err := c.keeper.Start(); err != nil {
		return ours, fmt.Errorf("start the sandbox's keeper: %w", err)
	}
	return ours, nil
}

// meet ends the container for a limit; "" is none.
func (c *container) meet(limit string) {
	if limit == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.limit == "" {
		c.limit = limit
		_ = c.keeper.Process.Kill()
	}
}

// met is a limit that can be looked up.
func (c *container) met() string {
	if c.space.used(c.limits.Output) {
		return LimitOutput
	}
	if limit := exceeded(c.name); limit != "" || c.counted {
		return limit
	}
	return overuse(c.keeper.Process.Pid, c.limits)
}

// guard looks for limits until the container has ended. What met one and ended between two looks is
// still to be seen afterwards.
func (c *container) guard(ctx context.Context, ended <-chan struct{}) {
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	end := time.NewTimer(c.limits.Time)
	defer end.Stop()
	for {
		select {
		case <-ended:
			return
		case <-ctx.Done():
			_ = c.keeper.Process.Kill()
			return
		case <-end.C:
			c.meet(LimitTime)
		case <-look.C:
			c.meet(c.met())
		}
	}
}

// read keeps what the container says, up to the limit. More ends it.
func (c *container) read(logged io.Reader) {
	_, _ = io.Copy(&c.log, io.LimitReader(logged, c.limits.Log))
	if n, _ := io.Copy(io.Discard, io.LimitReader(logged, 1)); n > 0 {
		c.meet(LimitLog)
	}
	_, _ = io.Copy(io.Discard, logged)
}

// refusal is why a runtime made no container.
type refusal struct{ said string }

func (r *refusal) Error() string { return "no container: " + r.said }

// result is what the keeper's report, or its end without one, says.
func (c *container) result(ctx context.Context, text []byte, werr error, output *os.Root) (*Result, error) {
	result := &Result{Log: c.log.Bytes(), Limit: c.limit, Output: output}
	var said report
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case json.Unmarshal(text, &said) == nil:
	case c.limit != "":
		result.Status = 128 + int(unix.SIGKILL)
		return result, nil
	default:
		return nil, fmt.Errorf("the sandbox's keeper ended early: %w", werr)
	}
	if said.Error != "" {
		return nil, &refusal{said.Error}
	}
	result.Status = said.Status
	return result, nil
}
