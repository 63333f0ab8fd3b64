package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/snapshot/ecosystem"
)

// errInstaller is what an installer's own failure is: it has told why.
var errInstaller = errors.New("the installer did not do it")

// finishEnvironment has the environment's own installer install what the snapshot lacks, and run what packages
// want to run.
func (s *session) finishEnvironment(ctx context.Context, env []string) error {
	if s.attached == nil || s.attached.Env == nil {
		return nil
	}
	e := s.attached.Env
	if len(e.Install) > 0 {
		for _, in := range e.Environment.Install(e.Dir, e.Install) {
			if err := s.install(ctx, env, "install what the snapshot lacks", in); err != nil {
				return err
			}
		}
	}
	for _, in := range e.Scripts {
		err := s.install(ctx, env, "run install scripts", in)
		if errors.Is(err, errInstaller) && in.Optional != "" {
			s.Warn(fmt.Sprintf("%v: %s is optional, and stays as it was", err, in.Optional))
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if len(e.Scripts) == 0 {
		return nil
	}
	return s.attached.ScriptsRan()
}

// install runs one command of an installer. What it prints is not the command's output: it goes to standard error.
func (s *session) install(ctx context.Context, env []string, what string, in ecosystem.Install) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer null.Close()
	for _, name := range in.Unset {
		env = without(env, name)
	}
	command := slices.Clone(in.Command)
	if in.Input != "" {
		s.inputs++
		file := filepath.Join(string(s.RunDir), "missing-"+strconv.Itoa(s.inputs)+".txt")
		if err := os.WriteFile(file, []byte(in.Input), 0o644); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		defer func() { _ = unix.Unlink(file) }()
		command = append(command, file)
	}
	status, _, err := start(ctx, command, env, s.User, []*os.File{null, os.Stderr, os.Stderr})
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrNotExecutable):
		// Not wrapped: the status of these is the command's.
		return &overlay.Problem{Kind: overlay.ErrUnsupported, Text: fmt.Sprintf("%s: %v", what, err),
			Advice: "have " + in.Command[0] + " where the command's PATH finds it"}
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case status != 0:
		return &overlay.Problem{Kind: errInstaller, Text: fmt.Sprintf("%s: %s: exit status %d", what, in.Name, status),
			Advice: in.Name + "'s own message is above"}
	}
	return nil
}
