package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSpec bounds config.json. The largest seen, with a full seccomp profile
// and 200 mounts, is 120 KiB.
const maxSpec = 8 << 20

// ErrSpec is wrapped by what is wrong with the bundle's config.json.
var ErrSpec = errors.New("bundle")

// Spec is what we use of a bundle's config.json. Nothing else of it is looked
// at: a minimal reader neither breaks on a field of a later version nor on the
// size of a seccomp profile. Namespaces, id mappings and where mounts are is not in it
// either: the container has them by now, so the kernel is asked.
type Spec struct {
	Root        string
	UID, GID    uint32
	Env         []string
	Cwd         string
	MountLabel  string
	Sources     []string // of mounts, as the engine named them
	Annotations map[string]string
}

// ReadSpec reads config.json of the bundle. It follows no link at the
// end and waits for no FIFO.
func ReadSpec(bundle string) (Spec, error) {
	name := filepath.Join(bundle, "config.json")
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return Spec{}, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Spec{}, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if !info.Mode().IsRegular() {
		return Spec{}, fmt.Errorf("%w: %s is not a regular file", ErrSpec, name)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSpec+1))
	if err != nil {
		return Spec{}, fmt.Errorf("%w: read %s: %w", ErrSpec, name, err)
	}
	if len(data) > maxSpec {
		return Spec{}, fmt.Errorf("%w: %s is larger than %d bytes", ErrSpec, name, maxSpec)
	}
	s, err := ParseSpec(data)
	if err != nil {
		return Spec{}, fmt.Errorf("%w: %s: %w", ErrSpec, name, err)
	}
	return s, nil
}

// ParseSpec decodes the parts of config.json that Spec names.
func ParseSpec(data []byte) (Spec, error) {
	o, err := parseObject(data)
	if err != nil {
		return Spec{}, err
	}
	var s Spec
	root, err := o.child("root")
	if err == nil {
		err = root.value("path", &s.Root)
	}
	if err == nil {
		err = s.process(o)
	}
	if err == nil {
		err = s.linux(o)
	}
	if err == nil {
		s.Annotations, err = o.words("annotations")
	}
	var mounts []struct{ Source string }
	if err == nil {
		err = o.value("mounts", &mounts)
	}
	if err != nil {
		return Spec{}, err
	}
	for _, m := range mounts {
		s.Sources = append(s.Sources, m.Source)
	}
	return s, nil
}

func (s *Spec) process(o object) error {
	process, err := o.child("process")
	if err != nil {
		return err
	}
	user, err := process.child("user")
	if err != nil {
		return fmt.Errorf("process.%w", err)
	}
	return errors.Join(user.value("uid", &s.UID), user.value("gid", &s.GID),
		process.value("env", &s.Env), process.value("cwd", &s.Cwd))
}

func (s *Spec) linux(o object) error {
	linux, err := o.child("linux")
	if err != nil {
		return err
	}
	if err := linux.value("mountLabel", &s.MountLabel); err != nil {
		return fmt.Errorf("linux.%w", err)
	}
	return nil
}

// Getenv is the value of a variable of the container's process: the last one,
// as the runtimes set them in order.
func (s Spec) Getenv(key string) string {
	for _, kv := range slices.Backward(s.Env) {
		if value, ok := strings.CutPrefix(kv, key+"="); ok {
			return value
		}
	}
	return ""
}
