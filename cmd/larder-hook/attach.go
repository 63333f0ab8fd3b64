package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"larder/cmd/internal/config"
	"larder/cmd/internal/container"
	"larder/overlay/oci"
	"larder/snapshot"
	"larder/snapshot/failpoint"
)

// stateTimeout is how long a runtime may take to write the state.
const stateTimeout = 5 * time.Second

// The annotations a container may have.
const (
	profileAnnotation = "dev.larder.profile"
	lockAnnotation    = "dev.larder.lock"
	venvAnnotation    = "dev.larder.venv"
)

// asked is what the runtime and the operator say, before the container is looked at.
type asked struct {
	state   oci.State
	spec    oci.Spec
	name    string // of the profile
	profile config.Profile
	store   *snapshot.Store
}

func (j *job) attach(stdin *os.File) error {
	a, err := j.read(stdin)
	if err != nil {
		return err
	}
	j.Lap("state")
	failpoint.Here("hook: state read")
	rootfs, err := a.state.RootFS(a.spec)
	if err != nil {
		return err
	}
	c, err := oci.EnterHere(a.state.PID, rootfs)
	if err != nil {
		return err
	}
	j.Lap("container")
	failpoint.Here("hook: container entered")
	it := container.Attach{
		Record: j.Record, Name: a.name, Profile: a.profile, Store: a.store, State: a.state, Spec: a.spec,
		Required: j.required, Lock: a.annotation(lockAnnotation), Venv: a.annotation(venvAnnotation), Commit: j.commit,
	}
	return it.Do(c)
}

// read takes in the state, the bundle and the configuration, and opens the
// store: all that is known before the container is looked at.
func (j *job) read(stdin *os.File) (a asked, err error) {
	if a.state, err = oci.ReadState(stdin, stateTimeout); err != nil {
		return a, err
	}
	j.Name(a.state.ID)
	if err := a.state.Live(); err != nil {
		return a, err
	}
	if a.spec, err = oci.ReadSpec(a.state.Bundle); err != nil {
		return a, err
	}
	cfg, err := config.Load(j.config)
	if err != nil {
		return a, err
	}
	if a.name, a.profile, err = chooseProfile(cfg, j.profile, a.annotation(profileAnnotation)); err != nil {
		return a, err
	}
	a.store, err = openStore(j.store, cfg)
	return a, err
}

// annotation looks in the state first: not every runtime passes annotations
// there.
func (a asked) annotation(key string) string {
	if v, ok := a.state.Annotations[key]; ok {
		return v
	}
	return a.spec.Annotations[key]
}

// chooseProfile is the operator's list against the container's word. Asking for
// what one gets anyway is not asking.
func chooseProfile(cfg config.Config, flag, annotation string) (string, config.Profile, error) {
	if flag == "" {
		flag = config.DefaultProfile
	}
	if annotation != "" && annotation != flag {
		p, err := cfg.Requested(annotation)
		return annotation, p, err
	}
	p, err := cfg.For(flag)
	return flag, p, err
}

// openStore opens the store that the flag, LARDER_STORE or the file names.
func openStore(named string, cfg config.Config) (*snapshot.Store, error) {
	if named == "" {
		named = cfg.Store
	}
	s, err := snapshot.Open(named)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: the hook is root's; an engine without root has its user's tree, of larder mount --user", err)
	}
	return s, err
}
