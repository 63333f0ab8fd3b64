package builder

import (
	"context"
	"fmt"
	"os/exec"

	"larder/builder/pypi/layer"
	"larder/snapshot/pypi/tags"
)

// Target is an interpreter and platform to stock for.
type Target struct {
	tags.Target
	Tag         string             // Target's text form
	Python      string             // the interpreter's full version, as in python_full_version
	Markers     map[string]string  // PEP 508 environment
	Interpreter *layer.Interpreter // nil when none of this kind is on the host
}

// FindTargets resolves --target tags. Without any, the target is the python3 on
// PATH. A tag whose interpreter is not on this host is taken as it is, its first
// release standing for the version: its layers get no bytecode.
func FindTargets(ctx context.Context, wanted []string) ([]Target, error) {
	if len(wanted) == 0 {
		t, err := probe(ctx, "python3")
		if err != nil {
			return nil, fmt.Errorf("find the interpreter to stock for: %w", err)
		}
		return []Target{t}, nil
	}
	var targets []Target
	seen := map[string]bool{}
	for _, tag := range wanted {
		parsed, err := tags.Parse(tag)
		if err != nil {
			return nil, err
		}
		if seen[parsed.String()] {
			continue
		}
		seen[parsed.String()] = true
		t, err := probe(ctx, "python"+parsed.Python())
		if err != nil || !sameInterpreter(t.Target, parsed) {
			t = Target{Python: parsed.Python() + ".0"}
		}
		// The interpreter compiles and tells its version; the platform is the one asked for.
		t.Target, t.Tag = parsed, parsed.String()
		t.Markers = parsed.Markers(t.Python)
		targets = append(targets, t)
	}
	return targets, nil
}

// sameInterpreter says whether the bytecode of one target's interpreter serves the
// other: same implementation, version and threading.
func sameInterpreter(a, b tags.Target) bool {
	return a.Python() == b.Python() && a.FreeThreaded() == b.FreeThreaded()
}

func probe(ctx context.Context, name string) (Target, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return Target{}, &hinted{fmt.Errorf("%s is not on PATH: %w", name, layer.ErrInterpreter), "install Python 3, or name a target with --target, such as cp311-manylinux_2_36_x86_64"}
	}
	in, err := layer.Probe(ctx, path)
	if err != nil {
		return Target{}, err
	}
	return Target{Target: in.Target, Tag: in.Target.String(), Python: in.Version, Markers: in.Target.Markers(in.Version), Interpreter: &in}, nil
}

// hinted is an error with a line of advice.
type hinted struct {
	error
	advice string
}

func (h *hinted) Hint() string  { return h.advice }
func (h *hinted) Unwrap() error { return h.error }
