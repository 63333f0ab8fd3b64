package pypi

import (
	"bufio"
	"bytes"
	"fmt"
	"path"
	"strings"

	"larder/overlay"
	"larder/snapshot/ecosystem"
)

// maxConfig bounds pyvenv.cfg, which has a few lines.
const maxConfig = 64 << 10

// read reads DIR/pyvenv.cfg.
func read(files ecosystem.Files, dir string) (*environment, error) {
	name := path.Join(dir, "pyvenv.cfg")
	cfg, err := files.ReadFile(name, maxConfig)
	if err != nil {
		return nil, missing(dir, err)
	}
	e := &environment{files: files, dir: dir}
	e.home, e.version = parse(cfg)
	minor := minorOf(e.version)
	if minor == "" {
		return nil, &overlay.Problem{Kind: overlay.ErrRefused, Text: name + ": it names no version of Python",
			Advice: "make the environment with python -m venv, virtualenv or uv"}
	}
	// pyvenv.cfg does not tell a free-threaded Python; its library directory does.
	e.freeThreaded = files.IsDir(path.Join(dir, "lib", "python"+minor+"t"))
	return e, nil
}

// parse reads "key = value" lines as site.py does: keys in any case. venv writes version, virtualenv
// and uv write version_info.
func parse(cfg []byte) (home, version string) {
	lines := bufio.NewScanner(bytes.NewReader(cfg))
	for lines.Scan() {
		key, value, ok := strings.Cut(lines.Text(), "=")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch strings.ToLower(strings.TrimSpace(key)) {
		case "home":
			home = value
		case "version", "version_info":
			version = release(value)
		}
	}
	if lines.Err() != nil {
		return "", ""
	}
	return home, version
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

// minorOf is "3.11" of "3.11.7".
func minorOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return ""
	}
	return fmt.Sprintf("%s.%s", parts[0], parts[1])
}
