package layer

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"larder/snapshot/pypi"
)

// ErrInterpreter is what every error of Probe is.
var ErrInterpreter = errors.New("no interpreter to stock for")

// Interpreter is a Python of this host.
type Interpreter struct {
	Executable string // the real file, behind shims, links and virtual environments
	Version    string // python_full_version, "3.11.7"
	Tag        pypi.Tag
}

// answer is what the interpreter says of itself.
type answer struct {
	Implementation string `json:"implementation"`
	Executable     string `json:"executable"`
	Version        string `json:"version"`
	Major          int    `json:"major"`
	Minor          int    `json:"minor"`
	System         string `json:"system"`
	Machine        string `json:"machine"`
	Bits           int    `json:"bits"`
	Libc           string `json:"libc"`
	NoGIL          bool   `json:"nogil"`
}

// The C library's version is confstr's, as in pip's own packaging; musl has none.
const question = `
import json, os, platform, struct, sys, sysconfig
try:
    libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
except (AttributeError, OSError, ValueError):
    libc = ""
print(json.dumps({
    "implementation": sys.implementation.name,
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "version": platform.python_version(),
    "major": sys.version_info[0],
    "minor": sys.version_info[1],
    "system": platform.system(),
    "machine": platform.machine(),
    "bits": struct.calcsize("P") * 8,
    "libc": libc,
    "nogil": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
`

// probeTimeout is generous: a version manager's shim may start several shells.
const probeTimeout = 30 * time.Second

// Probe asks the interpreter at exe (a path, or a name on PATH) what it is. exe may
// be a version manager's shim or a virtual environment's python.
func Probe(ctx context.Context, exe string) (Interpreter, error) {
	bad := func(format string, args ...any) (Interpreter, error) {
		return Interpreter{}, fmt.Errorf("%w: %s %w", ErrInterpreter, exe, fmt.Errorf(format, args...))
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "-I", "-S", "-B", "-c", question)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		if ctx.Err() == context.DeadlineExceeded {
			return bad("did not answer in %v", probeTimeout)
		}
		if text := bytes.TrimSpace(stderr(err)); len(text) > 0 {
			// In Python the last line names the error.
			return bad("does not run: %w: %.200q", err, text[bytes.LastIndexByte(text, '\n')+1:])
		}
		return bad("does not run: %w", err)
	}
	var a answer
	if err := json.Unmarshal(bytes.TrimSpace(out), &a); err != nil {
		return bad("is no Python 3: it answered %.80q", out)
	}
	if a.Implementation != "cpython" || a.System != "Linux" {
		return bad("is %s on %s; only CPython on Linux is known", a.Implementation, a.System)
	}
	libc, err := a.libc(ctx)
	if err != nil {
		return bad("has an unknown C library: %w", err)
	}
	tag := fmt.Sprintf("cp%d%d", a.Major, a.Minor)
	if a.NoGIL {
		tag += "t"
	}
	parsed, err := pypi.ParseTag(tag + "-" + libc + "_" + a.machine())
	if err != nil {
		return bad("is not supported: %w", err)
	}
	// A build from a repository calls itself 3.14.0a1+.
	return Interpreter{Executable: a.Executable, Version: strings.TrimSuffix(a.Version, "+"), Tag: parsed}, nil
}

// machine is the platform part of the interpreter, which may be of 32 bits on a
// kernel of 64.
func (a answer) machine() string {
	if a.Bits == 32 {
		switch a.Machine {
		case "x86_64":
			return "i686"
		case "aarch64", "armv8l":
			return "armv7l"
		}
	}
	return a.Machine
}

var libcVersion = regexp.MustCompile(`^(\d+)\.(\d+)`)

// libc is the C library as a platform tag names it.
func (a answer) libc(ctx context.Context) (string, error) {
	if v, ok := strings.CutPrefix(a.Libc, "glibc "); ok {
		if m := libcVersion.FindStringSubmatch(v); m != nil {
			return "manylinux_" + m[1] + "_" + m[2], nil
		}
		return "", fmt.Errorf("version %.40q", a.Libc)
	}
	loader, err := ProgramLoader(a.Executable)
	if err != nil {
		return "", err
	}
	if !strings.Contains(filepath.Base(loader), "musl") {
		return "", fmt.Errorf("loader %q", loader)
	}
	// musl's loader, run without arguments, says its version and fails.
	_, err = exec.CommandContext(ctx, loader).Output()
	return muslVersion(string(stderr(err)))
}

// stderr is what a command that failed said, its beginning and end.
func stderr(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

var muslText = regexp.MustCompile(`(?m)^musl libc[^\n]*\n\s*Version (\d+)\.(\d+)`)

func muslVersion(text string) (string, error) {
	m := muslText.FindStringSubmatch(text)
	if m == nil {
		return "", errors.New("no version from musl's loader")
	}
	return "musllinux_" + m[1] + "_" + m[2], nil
}

// ProgramLoader is the dynamic loader an executable asks for.
func ProgramLoader(exe string) (string, error) {
	f, err := elf.Open(exe)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", exe, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type != elf.PT_INTERP || p.Filesz > 4096 {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := p.ReadAt(b, 0); err != nil {
			return "", fmt.Errorf("read %s: %w", exe, err)
		}
		return string(bytes.TrimRight(b, "\x00")), nil
	}
	return "", fmt.Errorf("%s is linked statically", exe)
}
