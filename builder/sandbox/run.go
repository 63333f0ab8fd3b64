package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/failpoint"
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
	case s.Dir != "" && !path.IsAbs(s.Dir):
		return fmt.Errorf("sandbox: working directory %q is not absolute", s.Dir)
	case s.Limits.Time < 0 || min(s.Limits.Memory, s.Limits.Output, s.Limits.Log, int64(s.Limits.Processes)) < 0:
		return fmt.Errorf("sandbox: a limit below zero: %+v", s.Limits)
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
	if s.Serve != nil {
		network, err := openNetwork(s.Serve)
		if err != nil {
			return nil, err
		}
		defer network.close()
	}
	failpoint.Here("sandbox: root built")
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
	failpoint.Here("sandbox: command ended")
	removeGroups(name)
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
