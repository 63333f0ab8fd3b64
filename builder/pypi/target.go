package pypi

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"larder/builder"
	"larder/builder/pypi/layer"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// Target is an interpreter and platform to stock for.
type Target struct {
	Tag         pypi.Tag
	Python      string             // the interpreter's full version, as in python_full_version
	Markers     map[string]string  // PEP 508 environment
	Interpreter *layer.Interpreter // nil when none of this kind is on the host
}

// Builder is the target as a build knows it.
func (t Target) Builder() builder.Target {
	b := builder.Target{Target: pypi.Target{Python: t.Python, Markers: t.Markers}.Row(t.Tag.String(), ""), Own: t}
	if t.Interpreter != nil {
		b.Program = t.Interpreter.Executable
	}
	return b
}

// layerID names the layer of a wheel: the first 12 hexadecimal digits of a digest
// over all that decides its content. A new way of making layers gets a new first
// line, so that no older layer is taken for one of its own.
func (t Target) layerID(wheel string) string {
	python := t.Python
	if t.Interpreter == nil {
		python = "no bytecode"
	}
	return snapshot.Sum([]byte(strings.Join([]string{layer.Format, t.Tag.String(), python, wheel}, "\n"))).Short()
}

// FindTargets resolves --target tags, and Pythons ("3.12") on this host's platform. Without any, the target is the python3 on
// PATH. A tag whose interpreter is not on this host is taken as it is, its first
// release standing for the version: its layers get no bytecode. An interpreter that programs has for a
// tag goes before those on PATH.
func FindTargets(ctx context.Context, wanted []string, programs map[string]string) ([]Target, error) {
	if len(wanted) == 0 {
		t, err := probe(ctx, "python3")
		if err != nil {
			return nil, fmt.Errorf("find the interpreter to stock for: %w", err)
		}
		return []Target{t}, nil
	}
	var targets []Target
	seen := map[string]bool{}
	for _, word := range wanted {
		tag, err := tagOf(ctx, word)
		if err != nil {
			return nil, err
		}
		parsed, err := pypi.ParseTag(tag)
		if err != nil {
			return nil, err
		}
		if seen[parsed.String()] {
			continue
		}
		seen[parsed.String()] = true
		t := Target{Python: parsed.Python() + ".0"}
		for _, name := range []string{programs[tag], "python" + parsed.Python()} {
			if found, err := probe(ctx, name); err == nil && sameInterpreter(found.Tag, parsed) {
				t = found
				break
			}
		}
		// The interpreter compiles and tells its version; the platform is the one asked for.
		t.Tag = parsed
		t.Markers = parsed.Markers(t.Python)
		targets = append(targets, t)
	}
	return targets, nil
}

// owns says whether a word is a wheel tag, or a Python.
func owns(word string) bool {
	_, err := pypi.ParseTag(word)
	return err == nil || word != "" && word[0] >= '0' && word[0] <= '9'
}

// tagOf is the tag of a Python on this host: its own where it is installed, else with the platform of
// python3. Any other word is a tag itself.
func tagOf(ctx context.Context, word string) (string, error) {
	if word == "" || word[0] < '0' || word[0] > '9' {
		return word, nil
	}
	minor, ok := strings.CutPrefix(word, "3.")
	if _, err := strconv.ParseUint(strings.TrimSuffix(minor, "t"), 10, 8); err != nil || !ok {
		return "", fmt.Errorf("%w: Python %q: write it as 3.12", pypi.ErrTag, word)
	}
	if own, err := probe(ctx, "python"+word); err == nil {
		return own.Tag.String(), nil
	}
	host, err := probe(ctx, "python3")
	if err != nil {
		return "", fmt.Errorf("find the platform to stock for: %w", err)
	}
	_, platform, _ := strings.Cut(host.Tag.String(), "-")
	return "cp3" + minor + "-" + platform, nil
}

// sameInterpreter says whether the bytecode of one target's interpreter serves the
// other: same implementation, version and threading.
func sameInterpreter(a, b pypi.Tag) bool {
	return a.Python() == b.Python() && a.FreeThreaded() == b.FreeThreaded()
}

func probe(ctx context.Context, name string) (Target, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return Target{}, builder.WithHint(fmt.Errorf("%s is not on PATH: %w", name, layer.ErrInterpreter), "install Python 3, or name a target with --target, such as cp311-manylinux_2_36_x86_64")
	}
	in, err := layer.Probe(ctx, path)
	if err != nil {
		return Target{}, err
	}
	return Target{Tag: in.Tag, Python: in.Version, Markers: in.Tag.Markers(in.Version), Interpreter: &in}, nil
}
