package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/readiness"
)

// doctorPatience is how long each question to another program or host may take. Tests take longer: they
// share their machine.
var doctorPatience = 10 * time.Second

func kernelCheck() finding {
	const why = "attaches need 5.15, and cost least from 6.15 on; each part is tried below, and nothing is guessed from the number"
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return judge("host", "kernel", "", why, err, stateUnknown, "uname -a")
	}
	return judge("host", "kernel", unix.ByteSliceToString(name.Sysname[:])+" "+unix.ByteSliceToString(name.Release[:]), why, nil, "", "")
}

// namespacesCheck reads how many user namespaces there may be.
func namespacesCheck(path string) finding {
	const why = "trees are idmapped through one, for containers and users other than root"
	const fix = "sysctl -w user.max_user_namespaces=10000"
	text, err := os.ReadFile(path)
	if err != nil {
		return judge("host", "user namespaces", "", why, err, stateUnknown, fix)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil && n < 1 {
		err = errors.New("user.max_user_namespaces is 0")
	}
	return judge("host", "user namespaces", fmt.Sprintf("at most %d", n), why, err, stateWarn, fix)
}

// containerRuntime is a runtime, and where it looks for hooks.
type containerRuntime struct {
	name, how string // how is what of larder setup tells it of the hook
	dirs      []string
}

var (
	hooksDirs = []string{"usr/share/containers/oci/hooks.d", "etc/containers/oci/hooks.d"}
	cdiDirs   = []string{"etc/cdi", "var/run/cdi"}

	containerRuntimes = []containerRuntime{
		{"podman", "podman", slices.Concat(hooksDirs, cdiDirs)},
		{"crio", "podman", slices.Concat(hooksDirs, cdiDirs)},
		{"docker", "docker", cdiDirs},
		{"containerd", "docker", cdiDirs},
		{"runc", "", nil},
		{"crun", "", nil},
	}
)

// runtimeChecks say which runtimes are on PATH and whether they run the hook, by the definitions below
// root. larder run needs none.
func runtimeChecks(root string) (checks []finding, used []hookFile) {
	for _, r := range containerRuntimes {
		path, err := exec.LookPath(r.name)
		if err != nil {
			continue
		}
		k := finding{Group: "runtimes", Name: r.name, State: stateOK, Detail: path, Why: "a container gets its cache from the hook that its runtime runs"}
		if r.dirs == nil {
			k.Detail += ": runs the hook that a container's config.json names"
			checks = append(checks, k)
			continue
		}
		found := definitions(root, r.dirs)
		used = append(used, found...)
		switch plugin, err := readiness.Read(filepath.Join(root, readiness.Path), time.Now()); {
		case len(found) == 0 && err == nil && strings.HasPrefix(plugin.Runtime, r.name):
			k.Detail += ": larder-nri, " + plugin.String()
		case len(found) == 0:
			k.State, k.Detail = stateWarn, fmt.Sprintf("%s, and no file of %s names larder-hook", path, "/"+strings.Join(r.dirs, " or /"))
			k.Fix = "larder setup " + r.how
		default:
			k.Detail += ": " + found[0].file
		}
		checks = append(checks, k)
	}
	if len(checks) == 0 {
		checks = append(checks, finding{Group: "runtimes", Name: "container runtime", State: stateUnknown, Detail: "none on PATH",
			Why: "only needed for containers: larder run needs none", Fix: "install podman, docker or runc"})
	}
	checks = append(checks, pluginChecks(root)...)
	return append(checks, hookCheck(root, used), logCheck(root, used)), used
}

// pluginChecks say whether the plugin that was set up is registered: without it pods start, and get nothing.
func pluginChecks(root string) []finding {
	plugin, err := readiness.Read(filepath.Join(root, readiness.Path), time.Now())
	if unit, _ := filepath.Glob(filepath.Join(root, "etc/systemd/system", nriServiceName)); errors.Is(err, fs.ErrNotExist) {
		if len(unit) == 0 {
			return nil
		}
		err = fmt.Errorf("%s is there, and %s is not", unit[0], readiness.Path)
	}
	return []finding{judge("runtimes", "larder-nri", plugin.String(), "without the plugin pods start, and get nothing", err, stateWarn, "systemctl restart "+nriServiceName)}
}

// hookFile is a file that makes a runtime run the hook.
type hookFile struct {
	file, program string
	log           string // of --log among the hook's words
}

// definitions are the files in dirs below root that name the hook.
func definitions(root string, dirs []string) (found []hookFile) {
	for _, dir := range dirs {
		files, _ := filepath.Glob(filepath.Join(root, dir, "*"))
		for _, file := range files {
			if d, ok := readDefinition(file); ok {
				found = append(found, d)
			}
		}
	}
	return found
}

// readDefinition reads a file, if it names the hook.
func readDefinition(file string) (d hookFile, ok bool) {
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), "larder-hook") {
		return d, false
	}
	d.file = file
	var tree any
	if json.Unmarshal(text, &tree) == nil {
		d.read(tree)
	}
	return d, true
}

// read looks for the program and its log wherever in a definition they are.
func (d *hookFile) read(tree any) {
	switch v := tree.(type) {
	case map[string]any:
		if path, ok := v["path"].(string); ok && filepath.Base(path) == "larder-hook" {
			d.program = path
		}
		for _, sub := range v {
			d.read(sub)
		}
	case []any:
		for i, sub := range v {
			if word, _ := sub.(string); i > 0 && v[i-1] == "--log" {
				d.log = word
			}
			d.read(sub)
		}
	}
}

// hookCheck looks at the program that the definitions name, else at where make install puts it.
func hookCheck(root string, used []hookFile) finding {
	const why = "a runtime that cannot start its hook starts no container"
	program := "/usr/local/libexec/larder/larder-hook"
	if at := slices.IndexFunc(used, func(d hookFile) bool { return d.program != "" }); at >= 0 {
		program = used[at].program
	}
	info, err := os.Stat(filepath.Join(root, program))
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(used) == 0:
		return finding{Group: "runtimes", Name: "hook", State: stateWarn, Detail: program + " is not there", Why: "containers get their caches from it", Fix: "make install"}
	case err == nil && (!info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0):
		err = fmt.Errorf("%s is no program", program)
	case err == nil && info.Mode().Perm()&0o022 != 0:
		err = fmt.Errorf("%s has mode %v: others can write what root runs", program, info.Mode().Perm())
	}
	return judge("runtimes", "hook", program, why, err, stateWarn, "make install, which writes "+program+" with mode 0755")
}

// logCheck says where the hook's lines go.
func logCheck(root string, used []hookFile) finding {
	const why = "the hook says in one line what a container got, and why it got nothing"
	for _, d := range used {
		if d.log != "" {
			return judge("runtimes", "hook's log", d.log+", as "+d.file+" says", why, nil, "", "")
		}
	}
	info, err := os.Stat(filepath.Join(root, "dev/log"))
	if err == nil && info.Mode()&os.ModeSocket == 0 {
		err = errors.New("/dev/log is no socket")
	}
	if err != nil {
		err = errors.New("no /dev/log: only trouble is said, on the runtime's standard error")
	}
	return judge("runtimes", "hook's log", "/dev/log: journalctl -t larder-hook", why, err, stateWarn,
		"run a system log, or add \"--log\", \"/var/log/larder-hook.log\" to the hook's args")
}
