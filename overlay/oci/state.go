package oci

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// MaxState bounds the state a runtime writes to a hook's stdin. The largest
// seen, a pod with every annotation Kubernetes allows, is 256 KiB.
const MaxState = 1 << 20

// ErrState is wrapped by what is wrong with the state itself.
var ErrState = errors.New("container state")

// State is what we use of the state a runtime writes to a hook's stdin
// (runtime-spec, runtime.md "State"). Root is crun's own addition.
type State struct {
	ID          string
	Status      string
	PID         int
	Bundle      string
	Root        string
	Annotations map[string]string
}

// ReadState reads the state from f to its end, whatever is on it: crun before
// 1.21 fails the container when a hook exits with the pipe unread. It waits no
// longer than timeout for a runtime that never closes the pipe, and keeps no
// more than MaxState bytes.
func ReadState(f *os.File, timeout time.Duration) (State, error) {
	data, err := readAll(f, MaxState, timeout)
	if err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrState, err)
	}
	return ParseState(data)
}

// readAll waits with poll(2) because a deadline cannot be set on an inherited
// descriptor that blocks.
func readAll(f *os.File, limit int, timeout time.Duration) ([]byte, error) {
	deadline := time.Now().Add(timeout)
	fd := int(f.Fd())
	var data []byte
	buf := make([]byte, 64<<10)
	over := false
	for {
		wait := time.Until(deadline)
		if wait <= 0 {
			return nil, fmt.Errorf("not complete after %v", timeout)
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(wait.Milliseconds())+1)
		if err == unix.EINTR || err == nil && n == 0 {
			continue
		}
		if err == nil && fds[0].Revents&unix.POLLNVAL != 0 {
			err = unix.EBADF
		}
		if err != nil {
			return nil, fmt.Errorf("read stdin: %w", err)
		}
		n, err = unix.Read(fd, buf)
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			continue
		case err != nil:
			return nil, fmt.Errorf("read stdin: %w", err)
		case n == 0 && over:
			return nil, fmt.Errorf("larger than %d bytes", limit)
		case n == 0:
			return data, nil
		}
		if over = over || len(data)+n > limit; !over {
			data = append(data, buf[:n]...)
		}
	}
}

// ParseState reads and validates a state. An annotation is container-controlled
// input; the rest is the runtime's, and is checked because older runtimes let
// the caller choose it.
func ParseState(data []byte) (State, error) {
	s, err := parseState(data)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		return State{}, fmt.Errorf("%w: %w", ErrState, err)
	}
	return s, nil
}

func parseState(data []byte) (State, error) {
	o, err := parseObject(data)
	if err != nil {
		return State{}, err
	}
	var s State
	var pid int64
	for key, v := range map[string]any{"id": &s.ID, "status": &s.Status, "pid": &pid, "bundle": &s.Bundle, "root": &s.Root} {
		if err := o.value(key, v); err != nil {
			return State{}, err
		}
	}
	if pid < 0 || pid > math.MaxInt32 {
		return State{}, fmt.Errorf("pid %d is out of range", pid)
	}
	s.PID = int(pid)
	s.Annotations, err = o.words("annotations")
	return s, err
}

// Check refuses an id by the rules of runc, though no path is ever built from
// it: it is printed and it names a lease.
func (s State) Check() error {
	if s.ID == "" {
		return errors.New("no id")
	}
	if len(s.ID) > 1024 {
		return fmt.Errorf("id of %d bytes", len(s.ID))
	}
	for _, c := range []byte(s.ID) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("_+-.", c) >= 0) {
			return fmt.Errorf("id %.80q: a character that no runtime allows", s.ID)
		}
	}
	if s.ID[0] == '-' || s.ID == "." || s.ID == ".." {
		return fmt.Errorf("id %q", s.ID)
	}
	return nil
}

// Live refuses a state that is not of a container being created: that is
// another stage, or a container that is gone.
func (s State) Live() error {
	if s.Status != "creating" && s.Status != "created" {
		return fmt.Errorf("%w: status %.80q: attach runs at createRuntime, when it is creating or created", ErrState, s.Status)
	}
	if s.PID <= 1 {
		return fmt.Errorf("%w: pid %d: attach runs at createRuntime, where the pid is the host's", ErrState, s.PID)
	}
	if !path.IsAbs(s.Bundle) {
		return fmt.Errorf("%w: bundle %.80q is not an absolute path", ErrState, s.Bundle)
	}
	return nil
}

// RootFS is the path of the container's root file system on the host: what
// crun says, else what config.json says, below the bundle when relative.
func (s State) RootFS(spec Spec) (string, error) {
	root := s.Root
	if root == "" {
		root = spec.Root
	}
	if root == "" {
		return "", fmt.Errorf("%w: no root file system named", ErrState)
	}
	if strings.ContainsRune(root, 0) {
		return "", fmt.Errorf("%w: root path with a NUL", ErrState)
	}
	if !path.IsAbs(root) {
		// crun before 1.27 says "/" for a bundle when its caller was there.
		if path.Clean(s.Bundle) == "/" {
			return "", fmt.Errorf("%w: root %.80q is relative and the bundle is /", ErrState, root)
		}
		root = path.Join(s.Bundle, root)
	}
	if path.Clean(root) == "/" {
		return "", fmt.Errorf("%w: the root file system is the host's", ErrState)
	}
	return path.Clean(root), nil
}
