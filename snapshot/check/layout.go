package check

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"larder/snapshot"
)

// checkStore looks at what is not inside a snapshot, and returns the snapshots.
func (c *checker) checkStore() ([]snapshot.ID, error) {
	for _, e := range c.store.Layout() {
		if err := c.checkEntry(KindStore, snapshot.ID{}, e); absent(err) {
			c.find(KindStore, snapshot.ID{}, e.Path, remakeEntry(e), "%s is missing", c.rel(e.Path))
		} else if err != nil {
			return nil, err
		}
	}
	for _, e := range c.store.Optional() {
		if err := c.checkEntry(KindStore, snapshot.ID{}, e); err != nil && !absent(err) {
			return nil, err
		}
	}
	if err := c.checkMarker(); err != nil {
		return nil, err
	}
	all, err := c.store.List()
	if err != nil && !absent(err) {
		return nil, err
	}
	// In this order: a first build that is at work ends with the switch of current.
	building, err := c.store.Building()
	if err != nil && !absent(err) {
		return nil, err
	}
	if err := c.checkCurrent(len(all) > 0 && !building); err != nil {
		return nil, err
	}
	if err := c.store.CheckTurns(); errors.Is(err, snapshot.ErrHost) {
		return nil, err
	} else if err != nil {
		c.find(KindStore, snapshot.ID{}, c.store.TurnsPath(), "larder use --release, or larder use SNAPSHOT --hold", "%v", err)
	}
	if err := c.checkSnapshotNames(); err != nil {
		return nil, err
	}
	if err := c.checkPoolNames(); err != nil {
		return nil, err
	}
	if err := c.checkLeases(); err != nil {
		return nil, err
	}
	if err := c.checkRecipes(); err != nil {
		return nil, err
	}
	if err := c.checkFirsts(); err != nil {
		return nil, err
	}
	var ids []snapshot.ID
	for _, p := range all {
		ids = append(ids, p.ID)
	}
	return ids, nil
}

// checkMarker compares the marker with what every store has: it can be read, or the store would not
// have been opened, but not every other byte makes it another one.
func (c *checker) checkMarker() error {
	path := c.store.MarkerPath()
	b, err := os.ReadFile(path)
	if err != nil || string(b) == snapshot.Marker() {
		return err
	}
	fix := "echo " + shell(strings.TrimSpace(snapshot.Marker())) + " >" + shell(path)
	c.find(KindStore, snapshot.ID{}, path, fix, "%s is not as it was written", c.rel(path))
	return nil
}

// checkCurrent: with a snapshot that was acknowledged there is a current one.
func (c *checker) checkCurrent(wanted bool) error {
	_, err := c.store.Current()
	if errors.Is(err, snapshot.ErrDamaged) {
		_, err = c.store.Current() // it was switched, and gc took the one before, while we looked
	}
	switch {
	case errors.Is(err, snapshot.ErrHost):
		return err
	case errors.Is(err, snapshot.ErrNoSnapshot) && !wanted:
	case err != nil:
		c.find(KindStore, snapshot.ID{}, c.store.CurrentPath(), "larder use SNAPSHOT, one that larder ls lists; else larder build", "%v", err)
	}
	return nil
}

func (c *checker) checkSnapshotNames() error {
	dir := filepath.Dir(c.store.SnapshotDir(snapshot.ID{}))
	entries, err := os.ReadDir(dir)
	if err != nil && !absent(err) {
		return err
	}
	for _, e := range entries {
		if _, err := snapshot.ParseDigest(e.Name()); err != nil || !e.IsDir() {
			c.harmless(KindStore, snapshot.ID{}, filepath.Join(dir, e.Name()), "snapshots/%s is no snapshot", e.Name())
		}
	}
	return nil
}

// checkPoolNames looks for what lies in objects/ beside its 256 directories.
func (c *checker) checkPoolNames() error {
	entries, err := os.ReadDir(c.store.ObjectsDir())
	if err != nil && !absent(err) {
		return err
	}
	for _, e := range entries {
		if n := e.Name(); len(n) != 2 || strings.Trim(n, "0123456789abcdef") != "" {
			c.harmless(KindStore, snapshot.ID{}, filepath.Join(c.store.ObjectsDir(), n), "objects/%s is no object", n)
		}
	}
	return nil
}

// checkLeases names those that cannot be read: each holds every snapshot. One that a power cut
// tore holds them until the next build or gc only.
func (c *checker) checkLeases() error {
	leases, err := c.store.Leases()
	if err != nil && !absent(err) {
		return err
	}
	for _, l := range leases {
		if l.Unreadable == nil {
			continue
		}
		if ofHost(l.Unreadable) {
			return l.Unreadable
		}
		path := c.store.LeasePath(l.File)
		if torn(path) {
			continue
		}
		c.find(KindLease, snapshot.ID{}, path, "rm "+shell(path)+", once no container needs it, then larder gc",
			"leases/%s cannot be read, so no snapshot is ever removed: %v", l.File, cause(l.Unreadable))
	}
	return nil
}

// checkRecipes reads the records of what was built. One that is damaged is made anew by the next build
// that needs it; what was built by it stays whole, but cannot be made again. One that a newer version of this
// program wrote is whole.
func (c *checker) checkRecipes() error {
	_, bad, err := c.store.Recipes()
	for _, b := range bad {
		if ofHost(b.Err) {
			return b.Err
		}
		if errors.Is(b.Err, snapshot.ErrFormat) {
			c.find(KindStore, snapshot.ID{}, b.Path, "use the version of larder that wrote it, or a newer one", "%v", b.Err).Harmless = true
			continue
		}
		c.find(KindStore, snapshot.ID{}, b.Path, "rm "+shell(b.Path)+", then larder build", "%v", b.Err)
	}
	if err != nil && ofHost(err) {
		return err
	}
	return nil // that it is no directory is found already
}

// checkFirsts reads what names of indexes first meant.
func (c *checker) checkFirsts() error {
	all, err := c.store.FirstsOf()
	if err != nil && ofHost(err) {
		return err
	}
	for _, ecosystem := range all {
		path := c.store.FirstsPath(ecosystem)
		if _, err := c.store.Firsts(ecosystem); err != nil {
			if ofHost(err) {
				return err
			}
			c.find(KindStore, snapshot.ID{}, path, "restore "+shell(path)+", or take the line out", "%v", err)
		}
	}
	return nil
}

// torn says that a file is what a power cut leaves of one that was not synced, as the leases of
// processes are not.
func torn(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return err == nil && len(bytes.Trim(b, "\x00")) == 0
}

// checkEntry compares a file or directory with what it must be. An error is of the host, or
// absent.
func (c *checker) checkEntry(kind Kind, id snapshot.ID, e snapshot.Entry) error {
	fi, err := os.Lstat(e.Path)
	if err != nil {
		return err
	}
	name := c.rel(e.Path)
	if kind == KindSnapshot {
		name = filepath.Base(e.Path)
	}
	quoted := shell(e.Path)
	switch {
	case fi.Mode().Type() != e.Mode.Type():
		what := "directory"
		if e.Mode.IsRegular() {
			what = "plain file"
		}
		c.find(kind, id, e.Path, "mv "+quoted+" aside, then "+remakeEntry(e), "%s is not a %s", name, what)
		return nil
	case fi.Sys().(*syscall.Stat_t).Uid != c.owner:
		c.find(kind, id, e.Path, fmt.Sprintf("chown %d %s", c.owner, quoted), "%s is owned by user %d, want %d", name, fi.Sys().(*syscall.Stat_t).Uid, c.owner)
	}
	const bits = fs.ModePerm | fs.ModeSetuid | fs.ModeSetgid
	if got := fi.Mode() & bits; got != e.Mode.Perm() {
		c.find(kind, id, e.Path, fmt.Sprintf("chmod %04o %s", e.Mode.Perm(), quoted), "%s has mode %v, want %v", name, got, e.Mode.Perm())
	}
	return nil
}

// remakeEntry is how to make something of the store that is missing.
func remakeEntry(e snapshot.Entry) string {
	if e.Mode.IsDir() {
		return fmt.Sprintf("mkdir -m %04o %s", e.Mode.Perm(), shell(e.Path))
	}
	return "larder build"
}

// harmless names what is not the store's own, and nothing in it ever uses.
func (c *checker) harmless(kind Kind, id snapshot.ID, path, format string, args ...any) {
	c.find(kind, id, path, "mv "+shell(path)+" elsewhere", format, args...).Harmless = true
}

func (c *checker) rel(path string) string { return strings.TrimPrefix(path, c.store.Dir()+"/") }

// absent says that a name is not there, or not below a directory: checkEntry has said so.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// ofHost tells an error of the host from what is wrong with a file: no memory or too many open
// files say nothing about it, and a disk that cannot read it does.
func ofHost(err error) bool {
	switch snapshot.HostFault(err) {
	case 0, syscall.ENOENT, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENXIO, syscall.EIO, syscall.EBADMSG, syscall.EUCLEAN:
		return false
	}
	return true
}

// cause drops the path from an error: the finding names it shorter.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// shell quotes a path for a command line where it must be.
func shell(path string) string {
	if strings.Trim(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+") == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
