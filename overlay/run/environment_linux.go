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
)

var errInstaller = errors.New("the installer did not install it")

// installMissing has the environment's own installer install what the snapshot lacks. What it prints
// is not the command's output: it goes to standard error.
func (s *session) installMissing(ctx context.Context, env []string) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("install what the snapshot lacks: %w", err)
	}
	defer null.Close()
	e := s.attached.Env
	for n, in := range e.Environment.Install(e.Dir, e.Install) {
		for _, name := range in.Unset {
			env = without(env, name)
		}
		file := filepath.Join(string(s.RunDir), "missing-"+strconv.Itoa(n)+".txt")
		if err := os.WriteFile(file, []byte(in.Input), 0o644); err != nil {
			return fmt.Errorf("install what the snapshot lacks: %w", err)
		}
		status, _, err := start(ctx, append(slices.Clone(in.Command), file), env, s.User, []*os.File{null, os.Stderr, os.Stderr})
		if err != nil {
			return fmt.Errorf("install what the snapshot lacks: %w", err)
		}
		if status != 0 {
			return &overlay.Problem{Kind: errInstaller, Text: fmt.Sprintf("install what the snapshot lacks: %s: exit status %d", in.Name, status),
				Advice: in.Name + "'s own message is above"}
		}
		_ = unix.Unlink(file)
	}
	return nil
}
