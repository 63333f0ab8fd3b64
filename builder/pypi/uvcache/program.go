package uvcache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/builder"
)

// ErrProgram is what every error about a uv is: it is not there, does not run, or is none.
var ErrProgram = errors.New("no uv to write its view")

// hint says how to go on.
const hint = "install uv, name others in [build] uv of the configuration (or --with-uv), or leave the view uv out"

// askTime bounds the question for a version, runTime an installation of what one batch holds.
const (
	askTime = 30 * time.Second
	runTime = 15 * time.Minute
)

// program is a uv.
type program struct {
	path, name string // name is "uv 0.9.30"
}

// find asks the uvs at paths who they are; without any, the one on PATH.
func find(ctx context.Context, paths []string) ([]program, error) {
	if len(paths) == 0 {
		paths = []string{"uv"}
	}
	var all []program
	for _, path := range paths {
		p, err := ask(ctx, path)
		if err != nil {
			return nil, builder.WithHint(err, hint)
		}
		all = append(all, p)
	}
	return all, nil
}

func ask(ctx context.Context, name string) (program, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return program{}, fmt.Errorf("%w: %s is not there: %w", ErrProgram, name, err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return program{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env, cmd.WaitDelay = os.Environ(), time.Second
	out, err := cmd.Output()
	if ctx.Err() == context.DeadlineExceeded {
		return program{}, fmt.Errorf("%w: %s did not tell its version in %v", ErrProgram, path, askTime)
	}
	words := strings.Fields(string(out))
	if err != nil || len(words) < 2 || words[0] != "uv" {
		return program{}, fmt.Errorf("%w: %s is no uv: --version says %.80q (%v)", ErrProgram, path, strings.TrimSpace(string(out)), err)
	}
	return program{path, "uv " + words[1]}, nil
}

// call is one run of a uv, in a directory of its own.
type call struct {
	program
	dir   string // private: home, temporary files, what is installed
	cache string
	env   []string // beside the few that every run has
}

// run installs what requirements pin, without the dependencies that overrides take away.
func (c call) run(ctx context.Context, args []string, requirements, overrides string) error {
	target := filepath.Join(c.dir, "target")
	defer os.RemoveAll(target)
	for name, text := range map[string]string{"requirements.txt": requirements, "overrides.txt": overrides} {
		if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, runTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path, append([]string{"pip", "install", "--no-config", "--quiet", "--target", target,
		"--link-mode", "hardlink", "-r", "requirements.txt", "--override", "overrides.txt"}, args...)...)
	// Nothing of this process's environment: a variable of the operator's own uv must not decide.
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + c.dir, "TMPDIR=" + c.dir,
		"UV_CACHE_DIR=" + c.cache, "UV_PYTHON_DOWNLOADS=never", "UV_NO_PROGRESS=1"}, c.env...)
	cmd.Dir, cmd.WaitDelay = c.dir, 5*time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case context.Cause(ctx) == context.DeadlineExceeded:
		return fmt.Errorf("%s did not end in %v", c.name, runTime)
	case ctx.Err() != nil:
		return ctx.Err()
	case strings.Contains(stderr.String(), "No space left on device"):
		return fmt.Errorf("%s: %w", c.name, unix.ENOSPC) // no wheel is to blame
	}
	return fmt.Errorf("%s: %w: %s", c.name, err, said(stderr.String()))
}

// said is what of a uv's complaint fits in a line: from its error on.
func said(text string) string {
	for _, begins := range []string{"error:", "×"} {
		if at := strings.Index(text, begins); at >= 0 {
			text = text[at:]
			break
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 400 {
		text = text[:400] + "…"
	}
	return text
}
