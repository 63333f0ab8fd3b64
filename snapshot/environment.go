package snapshot

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Requirements are what lock files ask for on one target, in the store's words: its ecosystem has read it.
type Requirements struct {
	Digest  string   // names what is pinned, whatever the file looks like: the name below by-lock/
	Pins    []Pin    // topmost first: of two layers that own one path, the first counts
	LeftOut []string // what the file names that no index has, such as the user's own source trees

	// Places, sorted by path, say where in the environment each layer goes, one as often as it is wanted; none: all lie
	// at its root. Such an environment is whole: a build merged it of the lock, or its first run seals it of the layers of all pins.
	Places []Place
	Own    []OwnFile // of a placed environment, beside its layers
	// Mounts are where a placed environment goes that is mounted at several directories: the i-th is that of what the
	// environment has in its directory "i", as a path below the directory that the first lies in. None: it goes to one.
	Mounts []string
	// Scripts are the packages that want to run something when they are installed, sorted. Nothing of them runs
	// when layers are made, or mounted.
	Scripts []Script

	// Unresolved: the file names no artifacts. A build finds out which it needs, for views only: none is in an
	// environment of its own.
	Unresolved bool
}

// PartOf is the directory of the environment that a path of it lies in and that is mounted by itself; "" where
// that is all of it.
func (r *Requirements) PartOf(path string) string {
	if len(r.Mounts) == 0 {
		return ""
	}
	part, _, _ := strings.Cut(path, "/")
	return part
}

// Script is a package that wants to run something when it is installed.
type Script struct {
	Name     string // as its people call it
	Spec     string // by which the ecosystem's own program finds it
	Optional bool   // without what it makes, an environment is whole
}

// Unrun says of which packages nothing ran, in one line; "" where none wants to run anything.
func (r *Requirements) Unrun() string {
	if len(r.Scripts) == 0 {
		return ""
	}
	var names []string
	for _, s := range r.Scripts {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return "packages with install scripts, which did not run: " + strings.Join(names, ", ")
}

// Place is where a layer goes. What a deeper one has hides what those above it have there.
type Place struct {
	Path string // of a directory, below the environment's root
	Pin  int    // whose layer, of Requirements.Pins
}

// OwnFile is a file of a placed environment's own, or a link. It takes the place of what a layer has there;
// a link that leads to nothing in the environment is left out.
type OwnFile struct {
	Path string
	Data []byte
	Link string // where it leads; "" of a file
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
	// Sources are the digests of the sources that an artifact may be built from. Where a pin has
	// neither Digests nor Sources, any source of the version will do.
	Sources []string
	Address string // where the lock has the artifact; "" where it does not say
	File    string // where it stands, for messages
	Line    int    // 0 when not known
}

// OnlySource says that the lock lists no artifact of the version, but sources.
func (p Pin) OnlySource() bool { return len(p.Digests) == 0 && len(p.Spellings) == 0 }

// Environment is how a mounted snapshot provides a lock's packages.
type Environment struct {
	// Lowers are directories of the tree, topmost first: one "e/…" when the lock was given to
	// the build, else an "l/…" for each pin. None is there twice: overlayfs refuses that.
	Lowers []string
	// Layers are those of the pins, by pin, of an environment that is not merged and lacks none.
	Layers []string
	// Unsealed is why the private image of a placed environment could not be sealed.
	Unsealed error
	// Missing are the pins no layer answers, in the lock's order.
	Missing []Pin
	// Trust is what would find those of them that are there, and were built; NoBuilt: none is.
	Trust Built
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

// EnvironmentID is the id of the lock's merged environment, of the layers of its pins. That of a placed
// one covers where they are, and where it is mounted, and its own files.
func (l *Requirements) EnvironmentID(layers []string) string {
	if len(l.Places) == 0 {
		return EnvironmentID(layers)
	}
	return l.placed(layers).Short()
}

// PrivateName names the private image of the lock's environment, of the layers of its pins for a target, and of
// one beside it. It is the whole digest, since locks of containers have images there, too, and covers the way in
// which they are sealed.
func (l *Requirements) PrivateName(target string, layers []string, beside string) Digest {
	return Sum(fmt.Appendf(nil, "private 1\n%s\n%s\n%s\n%s\n", target, beside, strings.Join(layers, "\n"), l.placed(layers)))
}

// placed covers where a placed environment is mounted and its layers are, and its own files.
func (l *Requirements) placed(layers []string) Digest {
	var b strings.Builder
	for _, m := range l.Mounts {
		fmt.Fprintf(&b, "at %q\n", m)
	}
	for _, p := range l.Places {
		fmt.Fprintf(&b, "%s %q\n", layers[p.Pin], p.Path)
	}
	for _, f := range l.Own {
		fmt.Fprintf(&b, "%s %q %q\n", Sum(f.Data), f.Path, f.Link)
	}
	return Sum([]byte(b.String()))
}

// Paths looks up paths of a snapshot, without a leading slash: those of its tree where it is mounted
// ([Tree]), or of its image.
type Paths interface {
	ReadLink(path string) (target string, err error) // fs.ErrNotExist: there is none
	IsDir(path string) (bool, error)                 // false without an error: nothing is there
}

// Tree is a descriptor of the root of a mounted snapshot; an O_PATH one will do.
type Tree int

// ReadLink implements Paths.
func (t Tree) ReadLink(path string) (string, error) {
	var buf [256]byte // more than any link of ours has
	n, err := unix.Readlinkat(int(t), path, buf[:])
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// IsDir implements Paths.
func (t Tree) IsDir(path string) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(int(t), path, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR, err
}

// FindEnvironment looks up a lock's layers for a target in a snapshot: a few readlinks, nothing
// parsed, nothing downloaded. A pin with digests is only answered by an artifact with one of them, or
// by one that was built from one of its sources; a pin without, by the one the build chose for that
// version. A placed environment is the one that the build merged of the lock, else Layers are what it is sealed of. What indexes publish comes first; of what was built only what is trusted is looked at. An
// error is about the snapshot; what is merely not there is in Missing.
func FindEnvironment(in Paths, target string, trust Built, l *Requirements) (Environment, error) {
	var env Environment
	if !isName(target) {
		return env, fmt.Errorf("find environment: target %q is no name", clip(target))
	}
	dir, err := findLock(in, target, trust, l.Digest)
	if err != nil {
		return env, err
	}
	if dir != "" {
		env.Lowers = []string{dir}
		return env, nil
	}
	seen := map[string]bool{}
	layers := make([]string, 0, len(l.Pins))
	for _, pin := range l.Pins {
		dir, needs, err := findPin(in, target, pin)
		if err != nil {
			return Environment{}, err
		}
		if dir == "" || needs > trust {
			env.Missing = append(env.Missing, pin)
			if dir != "" {
				env.Trust = max(env.Trust, needs)
			}
			continue
		}
		layers = append(layers, strings.TrimPrefix(dir, "l/"))
		if !seen[dir] && len(l.Places) == 0 {
			seen[dir] = true
			env.Lowers = append(env.Lowers, dir)
		}
	}
	if len(env.Missing) > 0 {
		return env, nil
	}
	env.Layers = layers
	return env, env.merged(in, l)
}

// merged replaces a whole stack of layers by the environment the build merged of the same ones:
// another lock, or another format of it, may name the very same artifacts.
func (e *Environment) merged(in Paths, l *Requirements) error {
	ids := e.Layers
	if len(l.Places) == 0 {
		if len(e.Lowers) < 2 {
			return nil
		}
		ids = make([]string, len(e.Lowers))
		for i, dir := range e.Lowers {
			ids[i] = strings.TrimPrefix(dir, "l/")
		}
	}
	dir := MergedPath(l.EnvironmentID(ids))
	there, err := in.IsDir(dir)
	if err != nil {
		return fmt.Errorf("look for environment %s in snapshot: %w", dir, err)
	}
	if there {
		e.Lowers = []string{dir}
	}
	return nil
}

// findLock looks for the environment that the build merged of a lock.
func findLock(in Paths, target string, trust Built, digest string) (dir string, err error) {
	for b := NoBuilt; b <= trust && dir == "" && err == nil && isName(digest); b++ {
		dir, err = follow(in, b.ByLock(target, digest))
	}
	return dir, err
}

// findPin looks for the artifact of a pin, whatever is trusted, and says what has to be.
func findPin(in Paths, target string, pin Pin) (dir string, needs Built, err error) {
	for needs = NoBuilt; needs <= AllBuilt && dir == "" && err == nil; needs++ {
		dir, err = needs.find(in, target, pin)
	}
	return dir, needs - 1, err
}

// find looks for the artifact, or for the version as the lock spells it, then as the build does.
func (b Built) find(in Paths, target string, pin Pin) (dir string, err error) {
	digests, free := pin.Digests, len(pin.Digests) == 0
	if b != NoBuilt {
		digests, free = pin.Sources, free && len(pin.Sources) == 0
	}
	for _, digest := range digests {
		if isName(digest) {
			if dir, err = follow(in, b.ByHash(target, digest)); dir != "" || err != nil {
				return dir, err
			}
		}
	}
	for _, version := range pin.Spellings {
		if free && isName(pin.Name) && isName(version) {
			if dir, err = follow(in, b.ByName(target, pin.Name, version)); dir != "" || err != nil {
				return dir, err
			}
		}
	}
	return "", nil
}

// follow reads the link at path and returns the directory it names, "l/…" or "e/…"; "" when
// there is no link.
func follow(in Paths, path string) (string, error) {
	target, err := in.ReadLink(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read link %q in snapshot: %w", clip(path), err)
	}
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
