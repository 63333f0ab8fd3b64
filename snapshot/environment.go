package snapshot

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Requirements are what lock files ask for on one target, in the store's words: its ecosystem has read it.
type Requirements struct {
	Digest  string   // names what is pinned, whatever the file looks like: the name below by-lock/
	Pins    []Pin    // topmost first: of two layers that own one path, the first counts
	LeftOut []string // what the file names that no index has, such as the user's own source trees
}

// Pin is one project of a lock.
type Pin struct {
	Name    string
	Version string // as the lock writes it, for messages
	// Spellings are what the version may be called below by-name/; none when nothing of that
	// name can answer.
	Spellings []string
	// Digests are those of the artifacts that may be used, as the index publishes them. Where
	// there is one, no other artifact of the version answers.
	Digests []string
	File    string // where it stands, for messages
	Line    int    // 0 when not known
}

// Environment is how a mounted snapshot provides a lock's packages.
type Environment struct {
	// Lowers are directories of the tree, topmost first: one "e/…" when the lock was given to
	// the build, else an "l/…" for each pin. None is there twice: overlayfs refuses that.
	Lowers []string
	// Missing are the pins no layer answers, in the lock's order.
	Missing []Pin
}

// Provided are the names of the lock's projects that the layers hold.
func (e Environment) Provided(l *Requirements) []string {
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
// digests is only answered by an artifact with one of them; a pin without, by the one the build
// chose for that version. An error is about the tree; what is merely not there is in Missing.
func FindEnvironment(tree int, target string, l *Requirements) (Environment, error) {
	var env Environment
	if !isName(target) {
		return env, fmt.Errorf("find environment: target %q is no name", clip(target))
	}
	if isName(l.Digest) {
		dir, err := follow(tree, ByLockPath(target, l.Digest))
		if err != nil {
			return env, err
		}
		if dir != "" {
			env.Lowers = []string{dir}
			return env, nil
		}
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
// another lock, or another format of it, may name the very same artifacts.
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

// findPin looks for the artifact, or for the version as the lock spells it, then as the build does.
func findPin(tree int, target string, pin Pin) (string, error) {
	var paths []string
	for _, digest := range pin.Digests {
		if isName(digest) {
			paths = append(paths, ByHashPath(target, digest))
		}
	}
	for _, version := range pin.Spellings {
		if len(pin.Digests) == 0 && isName(pin.Name) && isName(version) {
			paths = append(paths, ByNamePath(target, pin.Name, version))
		}
	}
	for _, path := range paths {
		if dir, err := follow(tree, path); dir != "" || err != nil {
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
