package layer

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"

	"larder/builder/pypi/wheel"
)

// Where pip writes the absolute path of the environment's interpreter, a layer has
// lines that find the python beside the script, wherever the layer is mounted, through
// links to the script and to its directory, with spaces and any length of path. The
// script runs under sh for those lines; for Python they are a string.
//
// They need nothing on PATH: the shell itself finds the directory. Only a link to the
// script asks for readlink, which is looked for where systems have it before PATH.
const shebang = "#!/bin/sh\n" + execLines

const execLines = "''':'\n" + findPython + "\n'''\n"

// findPython is the shell's part: $f is the script, $d its directory. It has no single
// quote, being between two in plainShebang, and no backslash, being in a string of
// Python. What is not found is an error of the shell, never another python.
const findPython = `f=$0
[ ! -h "$f" ] || f=$(PATH=/usr/bin:/bin${PATH:+:$PATH}; readlink -f -- "$f") || exit
d=$(CDPATH= cd -P -- "${f%"${f##*/}"}." && pwd) && exec "$d/python" "$0" "$@"
exit 127`

// plainShebang is for a script to which that string would matter: one that reads
// its __doc__, or has a docstring and then imports from __future__ (a syntax error
// after two strings). It needs an env that knows -S (coreutils 8.30 of 2018), which
// busybox has not. A kernel reads 255 bytes of it.
var plainShebang = "#!/usr/bin/env -S /bin/sh -c '" + strings.ReplaceAll(findPython, "\n", ";") + "'\n"

// codingLine is a PEP 263 declaration, which counts on the first two lines only.
var codingLine = regexp.MustCompile(`^[ \t\f]*#.*?coding[:=][ \t]*[-\w.]+`)

// rewriteScript does for a script of the wheel what pip's fix_script does: a first
// line that begins with #!python is replaced, arguments and all. ok is false when
// there is nothing to replace.
func rewriteScript(b []byte) (_ []byte, ok bool) {
	if !bytes.HasPrefix(b, []byte("#!python")) {
		return b, false
	}
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	if bytes.Contains(rest, []byte("__future__")) || bytes.Contains(rest, []byte("__doc__")) {
		return append([]byte(plainShebang), rest...), true
	}
	var out bytes.Buffer
	out.WriteString("#!/bin/sh\n")
	// A coding line, a comment to both, has to stay on the second line.
	if second, after, _ := bytes.Cut(rest, []byte("\n")); codingLine.Match(second) {
		out.Write(second)
		out.WriteByte('\n')
		rest = after
	}
	out.WriteString(execLines)
	out.Write(rest)
	return out.Bytes(), true
}

// wrapper is the script pip makes of an entry point: the text that pip has had
// since 25.1 (without importing re), in the form that Python 3.8 can run.
func wrapper(p wheel.EntryPoint) []byte {
	first, _, _ := strings.Cut(p.Func, ".")
	return fmt.Appendf([]byte(shebang), `import sys
from %s import %s
if __name__ == '__main__':
    if sys.argv[0].endswith('.exe'):
        sys.argv[0] = sys.argv[0][:-4]
    sys.exit(%s())
`, p.Module, first, p.Func)
}

var (
	versionedPip         = regexp.MustCompile(`^pip(\d+(\.\d+)?)?$`)
	versionedEasyInstall = regexp.MustCompile(`^easy_install(-\d+\.\d+)?$`)
)

// commands are the scripts pip makes of a wheel's entry points, in its order. Where
// pip and setuptools name versioned commands after the Python their wheel was built
// with, pip makes those of the Python at hand (get_console_script_specs).
func commands(e wheel.EntryPoints, python string) []wheel.EntryPoint {
	var list []wheel.EntryPoint
	find := func(name string) (wheel.EntryPoint, bool) {
		for _, p := range e.Console {
			if p.Name == name {
				return p, true
			}
		}
		return wheel.EntryPoint{}, false
	}
	as := func(p wheel.EntryPoint, names ...string) {
		for _, n := range names {
			p.Command = n
			list = append(list, p)
		}
	}
	pip, hasPip := find("pip")
	if hasPip {
		as(pip, "pip", "pip3", "pip"+python)
	}
	easy, hasEasy := find("easy_install")
	if hasEasy {
		as(easy, "easy_install", "easy_install-"+python)
	}
	for _, p := range e.Console {
		if hasPip && versionedPip.MatchString(p.Name) || hasEasy && versionedEasyInstall.MatchString(p.Name) {
			continue
		}
		list = append(list, p)
	}
	return append(list, e.GUI...)
}
