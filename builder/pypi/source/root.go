package source

import (
	"cmp"
	"context"
	"debug/elf"
	_ "embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"larder/builder/pypi/layer"
	"larder/builder/sandbox"
)

//go:embed root.py
var askRoot string

// RootFormat is the version of what a build without machine code sees besides its source and its build
// dependencies: the interpreter in a virtual environment of its own, nothing of /usr/bin, and the runner.
const RootFormat = "interpreter 1"

// prefix is the virtual environment in the sandbox. Its path is the same on every host, wherever the
// interpreter is, and the interpreter's own site-packages are out of sight.
const prefix = "/env"

// root is what the sandbox has of the host, all of it read-only.
type root struct {
	name   string // in recipes
	mounts []sandbox.Mount
	config []byte // prefix/pyvenv.cfg
	python string // the interpreter's path
	site   string // where build dependencies are mounted
}

// seen is what root.py prints.
type seen struct {
	Executable string   `json:"executable"`
	Library    []string `json:"library"`
	Mapped     []string `json:"mapped"`
	Directory  string   `json:"directory"` // below lib/
	Prefix     string   `json:"prefix"`
	Include    []string `json:"include"`
	Compiled   string   `json:"compiled"` // SHA-256 of how it was compiled, which it compiles by
}

const rootTime = time.Minute

// askInterpreter asks the interpreter, which is trusted, what it needs.
func askInterpreter(ctx context.Context, in layer.Interpreter) (s seen, err error) {
	call, cancel := context.WithTimeout(ctx, rootTime)
	defer cancel()
	cmd := exec.CommandContext(call, in.Executable, "-I", "-S", "-B", "-c", askRoot)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return s, fmt.Errorf("ask %s for its libraries: %w", in.Executable, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n") // a module may greet
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		return s, fmt.Errorf("ask %s for its libraries: %w", in.Executable, err)
	}
	return s, nil
}

// venv is the text of the virtual environment's pyvenv.cfg.
func (s seen) venv() []byte {
	return fmt.Appendf(nil, "home = %s\ninclude-system-site-packages = false\n", path.Dir(s.Executable))
}

// root plans the mounts: what the interpreter named, where it looks for it.
func (s seen) root() (*root, error) {
	loader, err := layer.ProgramLoader(s.Executable)
	if err != nil {
		return nil, err
	}
	r := &root{name: RootFormat, python: prefix + "/bin/python3", site: prefix + "/lib/" + s.Directory + "/site-packages", config: s.venv()}
	targets := map[string]string{r.python: s.Executable, loader: loader}
	for _, dir := range s.Library {
		targets[dir] = dir
	}
	for _, file := range s.Mapped {
		if below(file, s.Library) {
			continue
		}
		name, err := soname(file)
		if err != nil {
			return nil, err
		}
		targets[path.Join(path.Dir(file), name)] = file
		if strings.HasPrefix(name, "libc.") {
			for _, name := range companions {
				targets[path.Join(path.Dir(file), name)] = path.Join(path.Dir(file), name)
			}
		}
	}
	targets[loaderCache] = loaderCache
	for target, source := range targets {
		file, err := filepath.EvalSymlinks(source)
		switch {
		case err != nil && (source == loaderCache || slices.Contains(companions, path.Base(source))):
			continue // musl has them not
		case err != nil:
			return nil, err
		case !below(target, s.Library): // one directory of the library may be in another
			r.mounts = append(r.mounts, sandbox.Mount{Source: file, Target: target})
		}
	}
	slices.SortFunc(r.mounts, func(a, b sandbox.Mount) int { return cmp.Compare(a.Target, b.Target) })
	return r, nil
}

// loaderCache tells the loader of directories beside its own.
const loaderCache = "/etc/ld.so.cache"

// companions lie beside the C library: what threads load when they end, and what every manylinux wheel
// may ask for (PEP 600), as the modules of some build dependencies do.
var companions = []string{"libgcc_s.so.1", "libstdc++.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"}

func below(name string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return strings.HasPrefix(name, dir+"/") })
}

// soname is the name that programs ask the loader for; without one in it, the file's.
func soname(file string) (string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	defer f.Close()
	names, err := f.DynString(elf.DT_SONAME)
	if err != nil || len(names) == 0 || names[0] != path.Base(names[0]) { // the file has no such entry
		return path.Base(file), nil
	}
	return names[0], nil
}
