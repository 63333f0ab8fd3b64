package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/containerd/nri/pkg/api"

	"larder/cmd/internal/container"
	"larder/overlay/oci"
	"larder/snapshot/failpoint"
)

// errLate means that the runtime has its answer already.
var errLate = errors.New("not done in time")

// start attaches to a container that waits for its start, if its pod asks. What it returns fails the
// start.
func (p *plugin) start(pod *api.PodSandbox, c *api.Container) error {
	asked := askOf(pod, c)
	if asked.profile == "" {
		return nil
	}
	p.mu.Lock()
	limit := p.answer
	p.mu.Unlock()
	r := container.NewRecord()
	r.Name(c.GetId())
	err := within(limit, func(commit func() error) error {
		err := p.attach(r, pod, c, asked, commit)
		if err != nil {
			r.Rollback()
		}
		return err
	})
	if err == nil && p.required {
		err = r.LeftOut()
	}
	line := r.Line("attach", err)
	p.log.LogAttrs(context.Background(), r.Level(err), line, r.Times()...)
	if err != nil && p.required {
		return fmt.Errorf("%s: %.1000s", program, line)
	}
	return nil
}

// within runs work, and returns without it when it has not committed after limit: a file system
// in the container may never answer. Then commit refuses, and work undoes what it did by itself.
func within(limit time.Duration, work func(commit func() error) error) error {
	const late, committed = 1, 2
	var state atomic.Int32
	commit := func() error {
		if !state.CompareAndSwap(0, committed) {
			return errLate
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for good: it goes into a container, and nothing else is to run on it
		done <- work(commit)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	if state.CompareAndSwap(0, late) {
		return fmt.Errorf("%w: %v", errLate, limit)
	}
	return <-done // it is attaching: that takes no time
}

// attach makes the mounts of one container.
func (p *plugin) attach(r *container.Record, pod *api.PodSandbox, c *api.Container, asked ask, commit func() error) error {
	state := oci.State{ID: c.GetId(), PID: int(c.GetPid()), Status: "created", Bundle: "/"}
	if err := errors.Join(state.Check(), state.Live()); err != nil {
		return err
	}
	cfg, store, err := p.host()
	if err != nil {
		return err
	}
	a := container.Attach{Record: r, Name: asked.profile, Store: store, Required: p.required, Lock: asked.lock, Venv: asked.venv}
	if a.Profile, err = cfg.RequestedBy(pod.GetNamespace(), asked.profile); err != nil {
		return err
	}
	if a.Spec, err = p.spec(c, a.Profile.Lock != "" || a.Lock != ""); err != nil {
		return err
	}
	// The bundle stays out of the lease: the ids of pods' containers are random, and nobody else's.
	a.State = oci.State{ID: state.ID, PID: state.PID}
	r.Lap("state")
	failpoint.Here("nri: asked")
	in, err := oci.EnterCreated(state.PID)
	if err != nil {
		return err
	}
	// The kernel takes its time to take mounts apart, and the container has waited long enough.
	defer func() {
		go func() {
			a.Close()
			in.Close()
		}()
	}()
	r.Lap("container")
	if in.Provisioned() {
		r.Done("attached before, by a hook")
		return nil
	}
	failpoint.Here("nri: container entered")
	a.Commit = func() error {
		// A plugin that was stopped answers what nobody waits for any more.
		if err := in.Waits(); err != nil {
			return err
		}
		return commit()
	}
	return a.Do(in)
}

// spec is what we use of the container's specification. The runtime tells most of it; the rest is read
// from the bundle where it is needed: the working directory for an environment, the label where there
// are labels, and the user where the runtime is too old to tell (NRI before 0.9).
func (p *plugin) spec(c *api.Container, environment bool) (oci.Spec, error) {
	if user := c.GetUser(); user != nil && !environment && !p.selinux {
		return oci.Spec{UID: user.GetUid(), GID: user.GetGid(), Env: c.GetEnv()}, nil
	}
	var err error
	for _, bundle := range p.bundlesOf(c.GetId()) {
		var s oci.Spec
		if s, err = oci.ReadSpec(bundle); err == nil || !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
	}
	return oci.Spec{}, fmt.Errorf("%w; --bundles says where bundles are", err)
}

// bundlesOf are where a container's bundle can be: of containerd, of CRI-O, or as the operator says.
func (p *plugin) bundlesOf(id string) []string {
	if p.bundles != "" {
		return []string{filepath.Join(p.bundles, id)}
	}
	return []string{
		filepath.Join("/run/containerd/io.containerd.runtime.v2.task/k8s.io", id),
		filepath.Join("/run/containers/storage/overlay-containers", id, "userdata"),
	}
}
