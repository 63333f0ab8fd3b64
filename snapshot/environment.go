package snapshot

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"larder/snapshot/pypi/lock"
	"larder/snapshot/pypi/pep440"
)

// Environment is how a mounted snapshot provides a lock's packages.
type Environment struct {
	// Lowers are directories of the tree, topmost first: one "e/…" when the lock was given to
	// the build, else an "l/…" for each pin. None is there twice: overlayfs refuses that.
	Lowers []string
	// Missing are the pins no layer answers, in the lock's order.
	Missing []lock.Pin
}

// Provided are the normalised names of the lock's projects that the layers hold.
func (e Environment) Provided(l *lock.Lock) []string {
	lacks := make(map[string]bool, len(e.Missing))
	for _, p := range e.Missing {
		lacks[p.Name] = true
	}
	names := make([]string, 0, len(l.Pins))
	for _, p := range l.Pins {
		if !lacks[p.Name] {
			names = append(names, p.Name)
		}
	}
	return names
}

// EnvironmentID is the id of a merged environment: the first 12 digits of the SHA-256 of its
// layer ids, topmost first, one a line.
func EnvironmentID(layers []string) string {
	return Sum([]byte(strings.Join(layers, "\n"))).Short()
}

// FindEnvironment looks up a lock's layers for a target in a mounted snapshot (tree may be an
// O_PATH descriptor of its root): a few readlinks, nothing parsed, nothing downloaded. A pin with
// hashes is only answered by a wheel with one of them; a pin without, by the wheel the build
// chose for that version. An error is about the tree; what is merely not there is in Missing.
func FindEnvironment(tree int, target string, l *lock.Lock) (Environment, error) {
	var env Environment
	if !isName(target) {
		return env, fmt.Errorf("find environment: target %q is no name", clip(target))
	}
	dir, err := follow(tree, ByLockPath(target, l.Digest()))
	if err != nil {
		return env, err
	}
	if dir != "" {
		env.Lowers = []string{dir}
		return env, nil
	}
	seen := map[string]bool{}
	for _, pin := range l.Pins {
		dir, err := findPin(tree, target, pin)
		if err != nil {
			return Environment{}, err
		}
		switch {
		case dir == "":
			env.Missing = append(env.Missing, pin)
		case !seen[dir]:
			seen[dir] = true
			env.Lowers = append(env.Lowers, dir)
		}
	}
	return env, env.merged(tree)
}

// merged replaces a whole stack of layers by the environment the build merged of the same ones:
// another lock, or another format of it, may name the very same wheels.
func (e *Environment) merged(tree int) error {
	if len(e.Missing) > 0 || len(e.Lowers) < 2 {
		return nil
	}
	ids := make([]string, len(e.Lowers))
	for i, dir := range e.Lowers {
		ids[i] = strings.TrimPrefix(dir, "l/")
	}
	dir := MergedPath(EnvironmentID(ids))
	var st unix.Stat_t
	switch err := unix.Fstatat(tree, dir, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR:
		e.Lowers = []string{dir}
	case err != nil && !errors.Is(err, unix.ENOENT):
		return fmt.Errorf("look for environment %s in snapshot: %w", dir, err)
	}
	return nil
}

func findPin(tree int, target string, pin lock.Pin) (string, error) {
	if pin.SdistOnly {
		return "", nil
	}
	if len(pin.Hashes) == 0 {
		return findVersion(tree, target, pin)
	}
	for _, h := range pin.Hashes {
		wheel, err := ParseDigest(h)
		if err != nil {
			continue
		}
		if dir, err := follow(tree, ByHashPath(target, wheel)); dir != "" || err != nil {
			return dir, err
		}
	}
	return "", nil
}

// findVersion looks for the version as the lock spells it, then as the build does: "1.0" and
// "1.0.0" are one version.
func findVersion(tree int, target string, pin lock.Pin) (string, error) {
	spellings := []string{pin.Version}
	if v, err := pep440.Parse(pin.Version); err == nil && v.Canonical() != pin.Version {
		spellings = append(spellings, v.Canonical())
	}
	for _, version := range spellings {
		if !isName(pin.Name) || !isName(version) {
			continue
		}
		if dir, err := follow(tree, ByNamePath(target, pin.Name, version)); dir != "" || err != nil {
			return dir, err
		}
	}
	return "", nil
}

// follow reads the link at path and returns the directory it names, "l/…" or "e/…"; "" when
// there is no link.
func follow(tree int, path string) (string, error) {
	var buf [256]byte
	n, err := unix.Readlinkat(tree, path, buf[:])
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read link %q in snapshot: %w", clip(path), err)
	}
	target := string(buf[:n])
	dir := strings.TrimPrefix(target, strings.Repeat("../", strings.Count(path, "/")))
	if len(dir) != len("l/")+12 || (dir[:2] != "l/" && dir[:2] != "e/") || !isHex(dir[2:]) {
		return "", fmt.Errorf("read link %q in snapshot: it points to %q, which is no layer: %w", clip(path), clip(target), ErrDamaged)
	}
	return dir, nil
}

// isName takes one part of a path: what a container's lock says must not become two.
func isName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 255 && !strings.ContainsAny(s, "/\x00")
}
