package pypi

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"larder/overlay"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// interpreter is what an environment is made of.
type interpreter struct {
	path         string // absolute
	file         string // the same, links followed
	version      string // "3.11.7"
	freeThreaded bool   // its library is pythonX.Yt
}

// Make makes an environment of the interpreter that the snapshot was built with, else of the one of
// that name on PATH.
func (e *environment) Make(dir string, target snapshot.Target, made string, uid, gid int) (of string, err error) {
	detail, err := pypi.TargetOf(target)
	if err != nil {
		return "", err
	}
	in := interpreter{version: detail.Python}
	if tag, err := pypi.ParseTag(target.Tag); err == nil {
		in.freeThreaded = tag.FreeThreaded()
		if !exists(made) {
			made, _ = exec.LookPath("python" + tag.Python())
		}
	}
	if filepath.IsAbs(made) {
		in.path = baseInterpreter(made)
		if in.file, err = filepath.EvalSymlinks(in.path); err != nil {
			return "", err
		}
	}
	return "python " + in.version + " " + in.path, in.make(dir, overlay.Owner{UID: uid, GID: gid})
}

// make writes an environment without packages into an empty directory: what
// `python -m venv --without-pip` leaves, less the scripts that activate it.
func (in interpreter) make(dir string, owner overlay.Owner) error {
	minor := minorOf(in.version)
	if minor == "" || !filepath.IsAbs(in.path) {
		return &overlay.Problem{Kind: overlay.ErrRefused, Text: fmt.Sprintf("no interpreter on this host for Python %q", in.version),
			Advice: "install it, or name a virtual environment with --venv"}
	}
	minor = "python" + minor
	if in.freeThreaded {
		minor += "t"
	}
	names := []string{".", "bin", "include", "lib", "lib/" + minor, "lib/" + minor + "/site-packages"}
	for _, d := range names[1:] {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	links := [][2]string{{in.path, "bin/python"}, {"python", "bin/python3"}, {"python", "bin/" + minor}}
	if ^uint(0)>>63 == 1 { // 64-bit, as venv asks sys.maxsize
		links = append(links, [2]string{"lib", "lib64"})
	}
	for _, l := range links {
		if err := os.Symlink(l[0], filepath.Join(dir, l[1])); err != nil {
			return err
		}
		names = append(names, l[1])
	}
	text := fmt.Sprintf("home = %s\ninclude-system-site-packages = false\nversion = %s\nexecutable = %s\n",
		filepath.Dir(in.path), in.version, in.file)
	if err := os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte(text), 0o644); err != nil {
		return err
	}
	for _, name := range append(names, "pyvenv.cfg") {
		if err := give(filepath.Join(dir, name), owner); err != nil {
			return err
		}
	}
	return nil
}

// give gives a file its owner, and its mode whatever the umask.
func give(path string, owner overlay.Owner) error {
	if err := os.Lchown(path, owner.UID, owner.GID); err != nil {
		return err
	}
	st, err := os.Lstat(path)
	switch {
	case err != nil || st.Mode()&os.ModeSymlink != 0:
		return err
	case st.IsDir():
		return os.Chmod(path, 0o755)
	}
	return os.Chmod(path, 0o644)
}
