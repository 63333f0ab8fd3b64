package run

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

// ReadVenv reads DIR/pyvenv.cfg. A directory without one is fs.ErrNotExist.
func ReadVenv(dir string) (Venv, error) {
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
	v, err := ReadVenv(filepath.Dir(filepath.Dir(python)))
	if err != nil || v.Home == "" {
		return python
	}
	base := filepath.Join(v.Home, filepath.Base(python))
	if _, err := os.Stat(base); err != nil {
		return python
	}
	return base
}
