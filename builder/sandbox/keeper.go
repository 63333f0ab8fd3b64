package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// keeperName is what the keeper is called by: the name under which this program, whichever it is, is
// not itself. Its first argument is the scratch directory, for whoever wonders what it is.
const keeperName = "larder-sandbox-keeper"

// The keeper's own descriptors.
const (
	reportFD = 3 // where it writes its report
	leashFD  = 4 // the end of a pipe whose other end is its caller's only
)

// report is how a container ended, or why there was none.
type report struct {
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
}

// The keeper is the first process of a pid namespace: with it ends whatever is in there. It is this
// program, started once more, which then never comes to its main function.
func init() {
	switch {
	case len(os.Args) == 0:
	case os.Args[0] == trialPath:
		os.Exit(0)
	case os.Args[0] == keeperName && len(os.Args) > 2:
		unix.CloseOnExec(reportFD)
		unix.CloseOnExec(leashFD)
		go stay()
		out := os.NewFile(reportFD, "report")
		status, err := keep(os.Args[2:])
		said := report{Status: status}
		if err != nil {
			said.Error = err.Error()
		}
		if json.NewEncoder(out).Encode(said) != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// stay ends the keeper with its caller, whose end of the leash the kernel closes. It also sends the signal that
// the keeper asks for, but not where the caller is killed before the keeper has asked.
func stay() {
	_, _ = os.NewFile(leashFD, "leash").Read(make([]byte, 1))
	os.Exit(1)
}

// keep has the runtime make and start the container, and waits for its end. init has the first
// thread to itself, so that what started is a child of a thread that stays.
func keep(runtime []string) (status int, err error) {
	// Runtimes look up processes by their numbers in our namespace.
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return 0, fmt.Errorf("mount proc: %w", err)
	}
	// The container's is a copy of ours, which is one of the host's.
	if err := unix.Setdomainname([]byte("(none)")); err != nil {
		return 0, fmt.Errorf("set domain name: %w", err)
	}
	if err := call(runtime, "create", "--bundle", bundleDir, "--pid-file", pidFile, hostname); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", pidFile, err)
	}
	if err := call(runtime, "start", hostname); err != nil {
		return 0, err
	}
	return wait(pid)
}

// call runs the runtime. What it starts has its standard files, which are the container's.
func call(runtime []string, args ...string) error {
	cmd := exec.Command(runtime[0], slices.Concat(runtime[1:], []string{"--root", stateDir, "--log", runtimeLog, "--log-format", "json"}, args)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if err == nil {
		return nil
	}
	log, _ := os.ReadFile(runtimeLog)
	return fmt.Errorf("%s %s: %w: %s", runtime[0], args[0], err, message(log))
}

// message is the last that a runtime's log says, which is why it ended.
func message(log []byte) (last string) {
	for line := range bytes.Lines(log) {
		var said struct{ Msg string }
		if json.Unmarshal(line, &said) == nil && said.Msg != "" {
			last = said.Msg
		}
	}
	return last
}

// wait waits for the container's first process, and for whatever else ends meanwhile.
func wait(pid int) (int, error) {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("wait for the container: %w", err)
		case ended == pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case ended == pid && status.Exited():
			return status.ExitStatus(), nil
		}
	}
}
