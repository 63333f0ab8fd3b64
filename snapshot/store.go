package snapshot

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"larder/snapshot/trash"
)

// Store is an open store. It holds no lock and no file: opening is a check, and any number of
// processes may have the same store open.
type Store struct {
	dir      string
	dev, ino uint64 // of dir, as it was checked
}

type marker struct {
	Store  string `json:"store"`
	Format int    `json:"format"`
}

const markerKind = "larder"

// Marker is what store.json holds, in every store.
func Marker() string { return fmt.Sprintf("{\"store\":%q,\"format\":%d}\n", markerKind, Format) }

// OpenOrCreate opens the store at dir, and makes one only when nothing at all is there: an
// empty directory may be the mount point of a disk that is not mounted.
func OpenOrCreate(dir string) (*Store, error) {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		s, err := Create(dir)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return s, err
		}
	}
	return Open(dir)
}

// Open checks that dir is a store this program may use: a real directory (not a link), with the
// marker and a format it knows, owned by the caller's user, writable by nobody else, below
// directories where nobody else could exchange it (see TrustedPath).
func Open(dir string) (*Store, error) { return open(dir, uint32(os.Geteuid())) }

func open(dir string, owner uint32) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	parent, err := TrustedPath(filepath.Dir(dir))
	if errors.Is(err, ErrStore) {
		return nil, err
	}
	if err == nil {
		dir = filepath.Join(parent, filepath.Base(dir))
	} // else it says more of what is wrong itself
	var st unix.Stat_t
	switch err := ignoringEINTR(func() error { return unix.Lstat(dir, &st) }); {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil, &problem{kind: ErrNoStore, msg: "no store at " + strconv.Quote(dir) + ": nothing is there",
			hint: "larder build makes one; --store or LARDER_STORE names another"}
	case errors.Is(err, unix.EACCES):
		return nil, denied(dir, err)
	case err != nil:
		return nil, &problem{kind: ErrHost, msg: "open store " + strconv.Quote(dir), err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
	case unix.S_IFLNK:
		real, _ := filepath.EvalSymlinks(dir)
		return nil, &problem{kind: ErrStore, msg: "store " + strconv.Quote(dir) + " is a symbolic link",
			hint: "name the directory itself: " + strconv.Quote(real)}
	default:
		return nil, &problem{kind: ErrStore, msg: "store " + strconv.Quote(dir) + " is not a directory",
			hint: "name a directory, or a path that does not exist yet"}
	}
	if errors.Is(err, unix.EACCES) {
		return nil, denied(dir, err)
	}
	if err != nil {
		return nil, &problem{kind: ErrHost, msg: "open store " + strconv.Quote(dir), err: err}
	}
	s := &Store{dir: dir, dev: st.Dev, ino: st.Ino}
	if err := s.readMarker(); err != nil {
		return nil, err
	}
	if st.Uid != owner {
		return nil, &problem{kind: ErrStore,
			msg:  fmt.Sprintf("store %q belongs to user %d, and this is user %d", dir, st.Uid, owner),
			hint: "run as its owner; a store used by containers belongs to root"}
	}
	if perm := st.Mode & 0o7777; perm&0o022 != 0 {
		return nil, &problem{kind: ErrStore,
			msg:  fmt.Sprintf("store %q is writable by others (mode %04o)", dir, perm),
			hint: "check who wrote to it, then: chmod 0700 " + dir}
	}
	return s, nil
}

// denied: the caller is not the store's owner. Root is denied by nothing but a fault.
func denied(dir string, err error) error {
	if os.Geteuid() == 0 {
		return &problem{kind: ErrHost, msg: "open store " + strconv.Quote(dir), err: err}
	}
	return &problem{kind: ErrStore, msg: "open store " + strconv.Quote(dir), err: err,
		hint: "run as root, or as the store's owner"}
}

func (s *Store) readMarker() error {
	f, err := os.OpenFile(s.join(markerName), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s.noMarker()
	case errors.Is(err, fs.ErrPermission):
		return denied(s.dir, unix.EACCES)
	case err != nil:
		return s.unreadableMarker(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return s.unreadableMarker(err)
	}
	var m marker
	if err := json.Unmarshal(b, &m); err != nil || m.Store != markerKind || m.Format < 1 {
		return &problem{kind: ErrFormat, msg: fmt.Sprintf("%s is not the marker of a store", strconv.Quote(f.Name())),
			hint: "name a directory that larder build made, or a path that does not exist yet"}
	}
	if m.Format != Format {
		return &problem{kind: ErrFormat,
			msg:  fmt.Sprintf("store %q has format %d, and this program knows format %d", s.dir, m.Format, Format),
			hint: "use the version of larder that wrote it, or another store"}
	}
	return nil
}

func (s *Store) unreadableMarker(err error) error {
	if !errors.Is(err, unix.ELOOP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENXIO) {
		return &problem{kind: ErrHost, msg: "read marker " + strconv.Quote(s.join(markerName)), err: errno(err)}
	}
	return &problem{kind: ErrFormat, msg: "read marker " + strconv.Quote(s.join(markerName)), err: errno(err),
		hint: "the marker of a store is a plain file; restore it, or name another store"}
}

// noMarker tells an empty directory from somebody else's.
func (s *Store) noMarker() error {
	p := &problem{kind: ErrNoStore, msg: "no store at " + strconv.Quote(s.dir) + ": "}
	entries, err := os.ReadDir(s.dir)
	switch {
	case err != nil:
		return denied(s.dir, err)
	case len(entries) == 0:
		p.msg += "the directory is empty"
		p.hint = "is its file system mounted? larder build makes a store only at a path that does not exist"
	default:
		p.msg += "its marker " + markerName + " is missing"
		p.hint = "is its file system mounted? larder build makes a store only at a path that does not exist"
	}
	return p
}

// Create makes an empty store at dir, which must not exist; parents are made 0755. The store is
// built beside its place and renamed there, so a kill leaves no directory without a marker.
func Create(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("create store: %w", err)
	}
	fail := func(err error) (*Store, error) {
		if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
			return nil, &problem{kind: ErrHost, msg: "create store " + strconv.Quote(dir), err: errno(err),
				hint: "name a place this user can write to; a store used by containers is made by root"}
		}
		return nil, spaceError("create store "+strconv.Quote(dir), filepath.Dir(dir), 0, err)
	}
	parent, base := filepath.Split(dir)
	if parent, err = TrustedPath(filepath.Clean(parent)); err != nil {
		return nil, err
	}
	dir = filepath.Join(parent, base)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fail(err)
	}
	p, err := os.Open(parent)
	if err != nil {
		return fail(err)
	}
	defer p.Close()
	// Two creators at once: the second waits here, and then finds the first one's store.
	if err := ignoringEINTR(func() error { return unix.Flock(int(p.Fd()), unix.LOCK_EX) }); err != nil {
		return fail(err)
	}
	if _, err := os.Lstat(dir); err == nil {
		return nil, fmt.Errorf("create store %q: %w", dir, fs.ErrExist)
	}
	tmp := "." + base + ".larder-new"
	if err := trash.Remove(p, tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	if err := fillStore(filepath.Join(parent, tmp)); err != nil {
		_ = trash.Remove(p, tmp) // the error that matters is the one we have
		return fail(err)
	}
	if err := unix.Renameat2(int(p.Fd()), tmp, int(p.Fd()), base, unix.RENAME_NOREPLACE); err != nil {
		return fail(&fs.PathError{Op: "rename", Path: dir, Err: err})
	}
	if err := p.Sync(); err != nil {
		return fail(err)
	}
	return Open(dir)
}

func fillStore(tmp string) error {
	if err := mkdir(tmp, 0o700); err != nil {
		return err
	}
	for _, d := range layout(tmp) {
		if err := mkdir(d.Path, d.Mode.Perm()); err != nil {
			return err
		}
	}
	if err := writeFile(filepath.Join(tmp, markerName), []byte(Marker()), 0o444); err != nil {
		return err
	}
	f, err := os.Open(tmp)
	if err != nil {
		return err
	}
	defer f.Close()
	return ignoringEINTR(func() error { return unix.Syncfs(int(f.Fd())) })
}

// mkdir makes a directory whose mode does not depend on the umask.
func mkdir(path string, mode os.FileMode) error {
	if err := os.Mkdir(path, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}
