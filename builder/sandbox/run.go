package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// Run runs a command to its end. An error is the host's, the specification's or the context's, never the
// command's.
func (r *Runner) Run(ctx context.Context, s Spec) (*Result, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	s.Limits = s.Limits.filled()
	if s.Dir == "" {
		s.Dir = "/build"
	}
	var result *Result
	err := overlay.OnThread(func() (err error) {
		result, err = r.run(ctx, s)
		return err
	})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return result, err
}

func (s Spec) check() error {
	switch {
	case len(s.Args) == 0:
		return errors.New("sandbox: no command")
	case s.Vary != 0 && s.Vary != 1:
		return fmt.Errorf("sandbox: variant %d: there are 0 and 1", s.Vary)
	}
	return nil
}

// run has the thread, and its mount namespace, to itself.
func (r *Runner) run(ctx context.Context, s Spec) (_ *Result, err error) {
	var host unix.CPUSet
	if err := unix.SchedGetaffinity(0, &host); err != nil {
		return nil, fmt.Errorf("processors: %w", err)
	}
	v := newVariant(s.Vary, host.Count())
	mine, cpus := first(host, v.processors)
	if err := enter(); err != nil {
		return nil, err
	}
	if err := build(s, v, func() error { return r.mountSpace(v, s.Limits.Output) }); err != nil {
		return nil, err
	}
	name := r.groups.newName()
	if err := writeBundle(config(s, v, cpus, r.groups, name)); err != nil {
		return nil, err
	}
	output, err := os.OpenRoot(filepath.Join(spaceDir, "out"))
	if err != nil {
		return nil, err
	}
	// Where the runtime has no group for it. It is inherited, and the thread is used for nothing else.
	if err := unix.SchedSetaffinity(0, &mine); err != nil {
		output.Close()
		return nil, fmt.Errorf("set processors: %w", err)
	}
	result, err := r.watch(ctx, s.Limits, name, output)
	if gone := removeGroups(name); err == nil {
		err = gone
	}
	if err != nil {
		output.Close()
		return nil, err
	}
	return result, nil
}

// first are the first n processors of a set, as a set and as a list.
func first(all unix.CPUSet, n int) (some unix.CPUSet, list string) {
	var names []string
	for cpu := 0; len(names) < n && cpu < len(all)*64; cpu++ {
		if all.IsSet(cpu) {
			some.Set(cpu)
			names = append(names, strconv.Itoa(cpu))
		}
	}
	return some, strings.Join(names, ",")
}

// container is one that runs.
type container struct {
	keeper *exec.Cmd
	limits Limits
	name   string // of its group
	output *os.File

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
	c := &container{limits: l, name: name, output: dir}
	said, logged, err := c.start(r.runtime)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	defer logged.Close()
	ended := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { c.guard(ctx, ended) })
	others.Go(func() { c.read(logged) })
	text, _ := io.ReadAll(said)
	werr := c.keeper.Wait()
	close(ended)
	others.Wait()
	c.meet(c.met())
	return c.result(ctx, text, werr, output)
}

// start starts the keeper. What it reports, and what the container says, can be read.
func (c *container) start(runtime string) (said, logged *os.File, err error) {
	said, report, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer report.Close()
	logged, log, err := os.Pipe()
	if err != nil {
		said.Close()
		return nil, nil, err
	}
	defer log.Close()
	c.keeper = &exec.Cmd{
		Path: "/proc/self/exe", Args: []string{keeperName, runtime}, Env: []string{"PATH=" + os.Getenv("PATH")}, Dir: "/",
		Stdout: log, Stderr: log, ExtraFiles: []*os.File{report},
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags:   unix.CLONE_NEWPID | unix.CLONE_NEWUTS,
			Unshareflags: unix.CLONE_NEWNS, // its /proc is not the thread's
			Pdeathsig:    unix.SIGKILL,
		},
	}
	if err := c.keeper.Start(); err != nil {
		said.Close()
		logged.Close()
		return nil, nil, fmt.Errorf("start the sandbox's keeper: %w", err)
	}
	return said, logged, nil
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
	if full(c.output) {
		return LimitOutput
	}
	return exceeded(c.name)
}

// guard looks for limits until the container has ended. A flood is over in less than a look; what
// it was is then still to be seen.
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

// result is what the keeper's report, or its end without one, says.
func (c *container) result(ctx context.Context, text []byte, werr error, output *os.Root) (*Result, error) {
	result := &Result{Log: c.log.Bytes(), Limit: c.limit, Output: output}
	var said report
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case c.limit != "":
		result.Status = 128 + int(unix.SIGKILL)
		return result, nil
	case json.Unmarshal(text, &said) != nil:
		return nil, fmt.Errorf("the sandbox's keeper ended early: %w", errors.Join(werr, errors.New(string(c.log.Bytes()))))
	case said.Error != "":
		return nil, &overlay.Problem{Kind: ErrUnsupported, Text: "no container: " + said.Error, Advice: "try the runtime by hand, or install another: runc and crun are looked for on PATH"}
	}
	result.Status = said.Status
	return result, nil
}
