package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/cmd/internal/definition"
	"larder/snapshot"
)

// hookFlags say how the hook is run. All commands that write definitions have them.
func hookFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "hook", Usage: "the hook is at `PATH` (default: beside this program, or where make install puts it)"},
		&cli.BoolFlag{Name: "required", Usage: "a container that cannot have all of it does not start"},
		&cli.BoolFlag{Name: "remove", Usage: "remove what this command wrote"},
		&cli.BoolFlag{Name: "dry-run", Usage: "print it and write nothing"},
	}
}

// setupHook is the hook as the command line names it, checked: an engine runs it as root for every
// container.
func setupHook(c *cli.Context) (definition.Hook, error) {
	path, err := setupProgram(c, "hook", "larder-hook")
	if err != nil {
		return definition.Hook{}, err
	}
	h := definition.Hook{Path: path, Profile: c.String("profile"), Required: c.Bool("required")}
	if h.Profile != "" {
		cfg, err := loadConfig(c)
		if err == nil {
			_, err = cfg.For(h.Profile)
		}
		if err != nil {
			return h, err
		}
	}
	h.Common, err = hookWords(c)
	return h, err
}

// hookWords are the store and the configuration where a flag or LARDER_STORE names them: the hook finds
// the usual ones by itself.
func hookWords(c *cli.Context) (words []string, err error) {
	store := globalString(c, "store")
	if store == "" {
		store = os.Getenv("LARDER_STORE")
	}
	for _, w := range []struct{ flag, path string }{{"--store", store}, {"--config", globalString(c, "config")}} {
		if w.path == "" {
			continue
		}
		path, err := filepath.Abs(w.path)
		if err != nil {
			return nil, err
		}
		words = append(words, w.flag, path)
	}
	return words, nil
}

// setupProgram is a program of this host's that root will run: where the flag says, or in one of its usual
// places.
func setupProgram(c *cli.Context, flag, name string) (string, error) {
	path, err := programPath(c.String(flag), flag, name)
	if err != nil {
		return "", err
	}
	return checkProgram(c, path, flag, name)
}

func programPath(named, flag, name string) (string, error) {
	if named != "" {
		return filepath.Abs(named)
	}
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	dir := filepath.Dir(exe)
	places := []string{filepath.Join(filepath.Dir(dir), "libexec/larder", name), filepath.Join(dir, name)}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		}
	}
	return "", usagef("no %s at %s", name, strings.Join(places, " or ")).hint("make install puts it there; --%s names another place", flag)
}

// checkHook is checkProgram for the hook.
func checkHook(c *cli.Context, path string) (string, error) {
	return checkProgram(c, path, "hook", "larder-hook")
}

// checkProgram refuses a program that an engine could not run, or that others than root could exchange:
// links on the way are followed, and what they lead to is what is registered.
func checkProgram(c *cli.Context, path, what, name string) (string, error) {
	refuse := func(format string, args ...any) (string, error) {
		return "", usagef(what+" "+format, args...).hint("make install puts one at /usr/local/libexec/larder/%s", name)
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return refuse("%s: %v", path, errors.Unwrap(err))
	}
	if _, err := snapshot.TrustedPath(filepath.Dir(real)); err != nil {
		return refuse("%s: %v", real, err)
	}
	var st unix.Stat_t
	var at unix.Statfs_t
	if err := errors.Join(unix.Stat(real, &st), unix.Statfs(real, &at)); err != nil {
		return refuse("%s: %v", real, err)
	}
	mode := fs.FileMode(st.Mode & 0o777)
	switch {
	case filepath.Base(real) != name:
		return refuse("%s is not called %s", real, name)
	case st.Mode&unix.S_IFMT != unix.S_IFREG || mode&0o111 != 0o111:
		return refuse("%s is no program that all can run (mode %v)", real, mode)
	case st.Uid != 0:
		return refuse("%s belongs to user %d, not to root, who runs it", real, st.Uid)
	case mode&0o022 != 0:
		return refuse("%s has mode %v: others can write what root runs", real, mode)
	case at.Flags&unix.ST_NOEXEC != 0:
		return refuse("%s is on a file system mounted noexec", real)
	}
	ctx, done := shortly(c.Context)
	defer done()
	if out, err := exec.CommandContext(ctx, real, "--version").Output(); err != nil || !strings.HasPrefix(string(out), name+" ") {
		return refuse("%s does not say that it is %s (%v)", real, name, err)
	}
	return real, nil
}

// setupProfiles are the profiles that a container's owner may choose by device: the default one, and
// those that the configuration says are requestable.
func setupProfiles(cfg config.Config) []string {
	names := []string{config.DefaultProfile}
	for _, name := range cfg.Profiles() {
		if name != config.DefaultProfile && cfg.Profile[name].Requestable {
			names = append(names, name)
		}
	}
	return names
}
