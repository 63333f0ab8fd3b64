package settings

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"larder/builder/fetch"
)

// ErrNoMaven: this host has no mvn that runs.
var ErrNoMaven = errors.New("no Maven")

// Installation is a Maven and the Java that it runs on.
type Installation struct {
	Version string
	Home    string // lib, boot, conf
	Java    string // its home
}

// mavenTime bounds one start of mvn, which needs half a second.
const mavenTime = 2 * time.Minute

var (
	said    = regexp.MustCompile(`(?m)^Apache Maven (\S+)[^\n]*\nMaven home: ([^\n]+)\nJava version: [^\n]*runtime: ([^\n]+)$`)
	colours = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

// FindMaven asks a program, or the mvn on PATH for "", where it is installed.
func FindMaven(ctx context.Context, program string) (Installation, error) {
	if program == "" {
		program = "mvn"
	}
	mvn, err := exec.LookPath(program)
	if err != nil {
		return Installation{}, fetch.Hinted(fmt.Errorf("%w: %s is not on PATH", ErrNoMaven, program), "install Maven and a JDK (apt-get install maven, dnf install maven)")
	}
	call, cancel := context.WithTimeout(ctx, mavenTime)
	defer cancel()
	cmd := exec.CommandContext(call, mvn, "--batch-mode", "--version")
	cmd.Dir, cmd.WaitDelay = "/", time.Second // in no project
	out, err := cmd.CombinedOutput()
	out = bytes.ReplaceAll(colours.ReplaceAll(out, nil), []byte("\r"), nil)
	m := said.FindStringSubmatch(string(out))
	switch {
	case ctx.Err() != nil:
		return Installation{}, fmt.Errorf("ask mvn for its version: %w", context.Cause(ctx))
	case call.Err() != nil:
		return Installation{}, fmt.Errorf("%w: %s did not answer within %s", ErrNoMaven, mvn, mavenTime)
	case err != nil || m == nil:
		why, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return Installation{}, fetch.Hinted(fmt.Errorf("%w: %s --version does not say where it is: %.200q", ErrNoMaven, mvn, why), "run it by hand: it needs a JDK, on PATH or by JAVA_HOME")
	}
	i := Installation{Version: m[1], Home: filepath.Clean(m[2]), Java: filepath.Clean(m[3])}
	if _, err := os.Stat(filepath.Join(i.Java, "bin/java")); err != nil {
		return Installation{}, fmt.Errorf("%w: %s says that its Java is in %.200q, which has no bin/java", ErrNoMaven, mvn, i.Java)
	}
	return i, nil
}
