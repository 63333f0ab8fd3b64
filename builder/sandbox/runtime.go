package sandbox

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"larder/overlay"
)

// runtimes are the programs that make containers, in the order in which they are tried, and what
// each needs to be told where it can have no control groups.
var runtimes = []struct{ name, ungrouped string }{
	{"runc", "--rootless=true"}, // it then goes on without them
	{"crun", "--cgroup-manager=disabled"},
}

// findRuntime finds the first runtime that can make a container here.
func (r *Runner) findRuntime() error {
	var refusals []string
	for _, try := range runtimes {
		path, err := exec.LookPath(try.name)
		if err == nil {
			path, err = filepath.Abs(path)
		}
		if errors.Is(err, exec.ErrNotFound) {
			continue
		}
		r.runtime = []string{path}
		if r.groups.none() {
			r.runtime = append(r.runtime, try.ungrouped)
		}
		if err == nil {
			err = r.try()
		}
		var refused *refusal
		if !errors.As(err, &refused) {
			return err
		}
		refusals = append(refusals, refused.said)
	}
	if refusals == nil {
		return &overlay.Problem{Kind: ErrUnsupported, Text: "no container runtime: neither runc nor crun is on PATH",
			Advice: "install runc (apt-get install runc, dnf install runc) or crun"}
	}
	return &overlay.Problem{Kind: ErrUnsupported, Text: "no container: " + strings.Join(refusals, "; "),
		Advice: "a container of one's own user, network and control group must be possible here: try runc or crun by hand"}
}

// trialPath is what this program is called in the container of a trial, where it ends at once.
const trialPath = "/larder-sandbox-trial"

// try runs this program in a container, with the libraries that it may need: in the variant
// that asks more of the host.
func (r *Runner) try() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s := Spec{Args: []string{trialPath}, Mounts: append(libraries(self), Mount{self, trialPath}), Limits: Limits{Output: 1 << 20}, Vary: 1}
	result, err := r.Run(context.Background(), s)
	if err != nil {
		return err
	}
	defer result.Close()
	if result.Status != 0 || result.Limit != "" {
		return &refusal{fmt.Sprintf("a trial ended with status %d: %s%s", result.Status, result.Log, result.Limit)}
	}
	return nil
}

// libraries are the directories of the host that a program needs which is not static.
func libraries(program string) (all []Mount) {
	f, err := elf.Open(program)
	if err != nil {
		return nil
	}
	defer f.Close()
	if !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return nil
	}
	for _, dir := range []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64"} {
		if _, err := os.Stat(dir); err == nil {
			all = append(all, Mount{dir, dir})
		}
	}
	return all
}
