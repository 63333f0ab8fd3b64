package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"larder/builder/fetch"
	"larder/builder/maven/settings"
	"larder/builder/sandbox"
)

// host is what the sandbox has of the host, all of it read-only.
type host struct {
	mounts   []sandbox.Mount
	launcher string // the archive that starts Maven
}

// libraries are where shared libraries are, and with them what Java looks for there.
var libraries = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64"}

// hostOf finds what Maven and Java consist of: their directories, and what links in these lead to, as
// distributions lay them out.
func hostOf(maven settings.Installation) (*host, error) {
	h := &host{}
	launchers, err := filepath.Glob(filepath.Join(maven.Home, "boot/plexus-classworlds*.jar"))
	if err != nil || len(launchers) == 0 {
		return nil, fmt.Errorf("%w: there is no boot/plexus-classworlds*.jar in %s", settings.ErrNoMaven, maven.Home)
	}
	h.launcher = launchers[0]
	if _, err := os.Stat(filepath.Join(maven.Java, "bin/javac")); err != nil {
		return nil, fetch.Hinted(fmt.Errorf("%w: the Java in %s compiles nothing", settings.ErrNoMaven, maven.Java), "install a JDK (default-jdk-headless, java-devel), or name one with JAVA_HOME")
	}
	for _, dir := range libraries {
		if _, err := os.Stat(dir); err == nil {
			h.mounts = append(h.mounts, sandbox.Mount{Source: dir, Target: dir})
		}
	}
	// A shell copies the project, and starts the JVM that runs tests.
	for _, name := range []string{"sh", "cp"} {
		program, err := exec.LookPath(name)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", settings.ErrNoMaven, err)
		}
		if program, err = filepath.EvalSymlinks(program); err != nil {
			return nil, err
		}
		h.mounts = append(h.mounts, sandbox.Mount{Source: program, Target: "/bin/" + name})
	}
	for _, dir := range []string{maven.Home, maven.Java} {
		if err := h.show(dir); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// show shows a file or directory at its own path, and what it leads to.
func (h *host) show(name string) error {
	file, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // such as sources that are not installed
	}
	if err != nil {
		return err
	}
	if !h.shown(name) {
		h.mounts = append(h.mounts, sandbox.Mount{Source: file, Target: name})
	}
	return filepath.WalkDir(file, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() != fs.ModeSymlink {
			return err
		}
		to, err := os.Readlink(at)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(at), to)
		}
		// What leads to all of the host, or half of it, is no part of an installation.
		if to = filepath.Clean(to); h.shown(to) || strings.HasPrefix(to, file+"/") || strings.Count(to, "/") < 2 {
			return nil
		}
		return h.show(to)
	})
}

func (h *host) shown(name string) bool {
	return slices.ContainsFunc(h.mounts, func(m sandbox.Mount) bool { return name == m.Target || strings.HasPrefix(name, m.Target+"/") })
}
