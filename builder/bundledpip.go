package builder

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"larder/builder/pypi/index"
	"larder/builder/pypi/wheel"
	"larder/snapshot"
	"larder/snapshot/pypi/pep440"
)

// findBundled prints where the interpreter keeps the pip wheel that `python -m venv`
// installs. Distributions move it (PEP 668's WHEEL_PKG_DIR).
const findBundled = `
import ensurepip, glob, os, sysconfig
dirs = [os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"), sysconfig.get_config_var("WHEEL_PKG_DIR")]
for d in filter(None, dirs):
    for w in sorted(glob.glob(os.path.join(d, "pip-*.whl"))):
        print(w)
`

// bundledPips returns a pip for each target whose layers have none.
func (s *stocking) bundledPips(ctx context.Context, all []stocked) ([]stocked, error) {
	if !s.layersWanted() {
		return nil, nil
	}
	var found []stocked
	for i, t := range s.Targets {
		if slices.ContainsFunc(all, func(s stocked) bool { return s.target == i && s.project == "pip" && s.layer != nil }) {
			continue
		}
		p, err := s.bundledPip(ctx, i)
		if hostFault(err) {
			return nil, err
		}
		if err != nil {
			s.Warn(fmt.Sprintf("no pip for private environments of %s: the index has none, and %v", t.Tag, err))
			continue
		}
		found = append(found, *p)
	}
	return found, nil
}

// bundledPip stocks, for private environments, the pip that came with a target's
// interpreter, where the index has none. Only its layer is wanted: no view has it,
// since the index does not serve it.
func (s *stocking) bundledPip(ctx context.Context, target int) (*stocked, error) {
	in := s.Targets[target].Interpreter
	if in == nil {
		return nil, fmt.Errorf("its interpreter is not on this host")
	}
	out, err := exec.CommandContext(ctx, in.Executable, "-I", "-c", findBundled).Output()
	if hostFault(err) {
		return nil, err
	}
	paths := bytes.Fields(out)
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("%s has none bundled", in.Executable)
	}
	path := string(paths[len(paths)-1])
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return nil, err
	}
	// Named, but not stored: no view serves it, and its layer holds its files.
	body := snapshot.Object{Digest: snapshot.Digest(h.Sum(nil))}
	got, err := wheel.Open(f, size, filepath.Base(path))
	if err != nil {
		return nil, err
	}
	version, err := pep440.Parse(got.Name.Version)
	if err != nil {
		return nil, err
	}
	found := &stocked{
		pick: pick{
			candidate: candidate{file: index.File{Filename: got.Filename, SHA256: body.Digest.String(), Size: size}, name: got.Name, version: version},
			project:   "pip", target: target, tool: true,
		},
		body: body, size: size,
	}
	found.layer = s.oldLayer(found.pick)
	return found, s.makeLayer(ctx, got, found)
}
