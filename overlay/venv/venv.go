// Package venv reads and makes the directory of a virtual environment, without
// running Python.
package venv

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// Venv is what a virtual environment says of itself.
type Venv struct {
	Dir     string
	Home    string // where its interpreter is
	Version string // "3.11.7"
}

// Read reads DIR/pyvenv.cfg. A directory without one is fs.ErrNotExist.
func Read(dir string) (Venv, error) {
	path := filepath.Join(dir, "pyvenv.cfg")
	// The file may be a user's: no waiting for a writer of a fifo.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return Venv{}, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return Venv{}, &problem{kind: overlay.ErrRefused, msg: path + " is not a regular file"}
	}
	v, err := parseVenv(f)
	if err != nil {
		return Venv{}, &problem{kind: overlay.ErrRefused, msg: fmt.Sprintf("%s: %v", path, err),
			hint: "make the environment with python -m venv, virtualenv or uv"}
	}
	v.Dir = dir
	return v, nil
}

// parseVenv reads "key = value" lines as site.py does: keys in any case. venv
// writes version, virtualenv and uv write version_info.
func parseVenv(r io.Reader) (Venv, error) {
	var v Venv
	lines := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "home":
			v.Home = value
		case "version", "version_info":
			v.Version = release(value)
		}
	}
	if err := lines.Err(); err != nil {
		return Venv{}, err
	}
	if v.Version == "" {
		return Venv{}, fmt.Errorf("it names no version of Python")
	}
	return v, nil
}

// release keeps the leading "3.11.7" of "3.11.7.final.0", or "3.13" of "3.13".
func release(s string) string {
	parts := strings.Split(s, ".")
	n := 0
	for n < len(parts) && n < 3 && isNumber(parts[n]) {
		n++
	}
	if n < 2 {
		return ""
	}
	return strings.Join(parts[:n], ".")
}

func isNumber(s string) bool {
	return s != "" && len(s) < 5 && strings.Trim(s, "0123456789") == ""
}

// BaseInterpreter is the interpreter to make a virtual environment of: python
// itself, or, when that lives in a virtual environment, the one that was made
// of. An environment whose home is another one would lose its standard library.
func BaseInterpreter(python string) string {
	v, err := Read(filepath.Dir(filepath.Dir(python)))
	if err != nil || v.Home == "" {
		return python
	}
	base := filepath.Join(v.Home, filepath.Base(python))
	if _, err := os.Stat(base); err != nil {
		return python
	}
	return base
}

// Interpreter is what an environment is made of.
type Interpreter struct {
	Path         string // absolute
	Version      string // "3.11.7"
	FreeThreaded bool   // its library is pythonX.Yt
}

// Make writes an environment without packages into an empty directory: what `python -m venv --without-pip` leaves, less the scripts that
// activate it.
func Make(dir string, in Interpreter, owner overlay.Owner) error {
	parts := strings.SplitN(in.Version, ".", 3)
	if len(parts) < 2 || !filepath.IsAbs(in.Path) {
		return &problem{kind: overlay.ErrRefused, msg: fmt.Sprintf("no interpreter on this host for Python %q", in.Version),
			hint: "install it, or name a virtual environment with --venv"}
	}
	minor := "python" + parts[0] + "." + parts[1]
	if in.FreeThreaded {
		minor += "t"
	}
	real, err := filepath.EvalSymlinks(in.Path)
	if err != nil {
		return err
	}
	names := []string{".", "bin", "include", "lib", "lib/" + minor, "lib/" + minor + "/site-packages"}
	for _, d := range names[1:] {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	links := [][2]string{{in.Path, "bin/python"}, {"python", "bin/python3"}, {"python", "bin/" + minor}}
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
		filepath.Dir(in.Path), in.Version, real)
	if err := os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte(text), 0o644); err != nil {
		return err
	}
	for _, name := range append(names, "pyvenv.cfg") {
		path := filepath.Join(dir, name)
		if err := os.Lchown(path, owner.UID, owner.GID); err != nil {
			return err
		}
		st, err := os.Lstat(path)
		if err != nil {
			return err
		}
		if st.Mode()&os.ModeSymlink == 0 { // whatever the umask
			if err := os.Chmod(path, map[bool]os.FileMode{true: 0o755, false: 0o644}[st.IsDir()]); err != nil {
				return err
			}
		}
	}
	return nil
}

// problem is an error for people: one line, a hint, and the sentinel it is.
type problem struct {
	kind      error
	msg, hint string
}

func (p *problem) Error() string { return p.msg }
func (p *problem) Hint() string  { return p.hint }
func (p *problem) Unwrap() error { return p.kind }
