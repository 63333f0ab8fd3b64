package pypi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"larder/builder"
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

// Bundled is the pip that came with a target's interpreter.
func (w *world) Bundled(ctx context.Context, target builder.Target) (*builder.Pick, builder.Reader, error) {
	t := w.targets[target.Tag]
	if t.Interpreter == nil {
		return nil, nil, fmt.Errorf("its interpreter is not on this host")
	}
	out, err := exec.CommandContext(ctx, t.Interpreter.Executable, "-I", "-c", findBundled).Output()
	if builder.HostFault(err) {
		return nil, nil, err
	}
	paths := bytes.Fields(out)
	if err != nil || len(paths) == 0 {
		return nil, nil, fmt.Errorf("%s has none bundled", t.Interpreter.Executable)
	}
	f, err := os.Open(string(paths[len(paths)-1]))
	if err != nil {
		return nil, nil, err
	}
	p, err := bundledPick(f, t)
	if err != nil {
		f.Close()
	}
	return p, f, err
}

func bundledPick(f *os.File, t Target) (*builder.Pick, error) {
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return nil, err
	}
	digest := snapshot.Digest(h.Sum(nil))
	c := candidate{file: index.File{Filename: filepath.Base(f.Name()), SHA256: digest.String(), Size: size}}
	if c.name, err = wheel.ParseName(c.file.Filename); err != nil {
		return nil, err
	}
	c.version, err = pep440.Parse(c.name.Version)
	return pick(c, t, digest), err
}
