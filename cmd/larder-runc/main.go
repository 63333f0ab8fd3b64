// Command larder-runc is runc for engines that read neither hooks.d nor CDI, such as Docker before 25: it
// puts larder-hook, which lies beside it, into the bundle of each container that is created, and then
// becomes runc, with the same arguments. In /etc/docker/daemon.json:
//
//	"runtimes": {"larder": {"path": "/usr/local/libexec/larder/larder-runc"}}
//
// and docker run --runtime larder. Every container of that runtime gets the default profile.
//
// # Promises
//
// What is not "create" or "run" is runc's alone. A bundle that cannot be read or written is left to
// runc as it is, with one line on standard error: the container starts, without a cache.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/definition"
	"larder/snapshot"
)

func main() {
	if err := prepare(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "larder-runc: no cache for this container: %v\n", err)
	}
	runc, err := findRunc()
	if err == nil {
		err = unix.Exec(runc, append([]string{"runc"}, os.Args[1:]...), os.Environ())
	}
	fmt.Fprintf(os.Stderr, "larder-runc: start runc: %v\n", err)
	os.Exit(1)
}

// findRunc finds runc on PATH, which some engines do not pass on (Podman, to kill), or where
// distributions have it.
func findRunc() (string, error) {
	path, err := exec.LookPath("runc")
	for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
		if err == nil {
			break
		}
		path, err = exec.LookPath(filepath.Join(dir, "runc"))
	}
	return path, err
}

// prepare puts the hook into the bundle that the arguments create a container of, if they do.
func prepare(args []string) error {
	bundle, creates := bundleOf(args)
	if !creates {
		return nil
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	hook := filepath.Join(filepath.Dir(exe), "larder-hook")
	if _, err := os.Stat(hook); err != nil {
		return errors.New("no larder-hook beside this program")
	}
	path := filepath.Join(bundle, "config.json")
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	had, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := definition.InBundle(had, definition.Hook{Path: hook})
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return snapshot.WriteFile(path, text, info.Mode().Perm())
}

// valued are runc's flags that take a value, before its command and after it (runc 1.1 to 1.5).
var valued = []string{"root", "log", "log-format", "criu", "rootless", "bundle", "b", "console-socket", "pid-file", "pidfd-socket", "preserve-fds"}

// bundleOf is the bundle of a container to be created, "." where none is named.
func bundleOf(args []string) (bundle string, creates bool) {
	bundle = "."
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			if !creates && args[i] != "create" && args[i] != "run" {
				return "", false
			}
			creates = true
			continue
		}
		name, value, has := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !has && slices.Contains(valued, name) && i+1 < len(args) {
			i++
			value = args[i]
		}
		if name == "bundle" || name == "b" {
			bundle = value
		}
	}
	return bundle, creates
}
