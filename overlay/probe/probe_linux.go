// Package probe finds out what a host can do by doing it: a small snapshot is
// made in a scratch directory, mounted in every way attaches use, and read and
// written. Nothing is guessed from version numbers. It leaves nothing behind.
package probe

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/erofs/go-erofs"

	"larder/overlay"
)

// Check is one thing a host can or cannot do.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // nothing works without it
	Detail string `json:"detail,omitempty"`
	Why    string `json:"why,omitempty"` // it matters
	Fix    string `json:"fix,omitempty"` // what to do when it is not OK
}

// host is a probe under way.
type host struct {
	on     string // the store's directory, or the first above it that is there
	dir    string // scratch, below that
	checks []Check
	image  string
	pool   string
	by     overlay.Construction
	trees  []*os.File // one that works is enough for what follows
}

// Host probes this host. dir is where a store is or will be: the scratch
// directory is made in it, or in the first parent that exists, so that it is on
// the same file system.
func Host(ctx context.Context, dir string) ([]Check, error) {
	h := &host{}
	h.user()
	if err := h.scratch(dir); err != nil {
		h.add(Check{Name: "scratch directory", Needed: true, Detail: err.Error(), Fix: "run as root, and name a store on a writable file system"})
		return h.checks, nil
	}
	defer os.RemoveAll(h.dir)
	if err := h.makeSnapshot(); err != nil {
		return nil, fmt.Errorf("make a snapshot to try: %w", err)
	}
	for _, step := range []func(){h.fileSystem, h.construction, h.images, h.view, h.idmap, h.attach, h.settings} {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		step()
	}
	for _, t := range h.trees {
		t.Close()
	}
	return h.checks, nil
}

func (h *host) add(c Check) {
	c.Why = whys[c.Name]
	h.checks = append(h.checks, c)
}

// whys say what each check is for.
var whys = map[string]string{
	"root":                        "only root, or CAP_SYS_ADMIN outside of user namespaces, may mount",
	"scratch directory":           "everything is tried in it",
	"store's file system":         "uppers lie on it, and overlay takes no other for them",
	"file types in directories":   "overlay refuses a file system without",
	"writable":                    "a store is written to",
	"trusted extended attributes": "a snapshot names its objects in them",
	"write leases":                "without them nothing proves that a snapshot is unused, so gc keeps all",
	"rename without replacing":    "a new lease or instance must never take another's place",
	"limits of uppers":            "without them a container can fill the store's disk, down to min_free",
	"immutable attribute":         "the one protection of objects against containers that open host files by handle",
	"erofs from a file":           "a snapshot without kept mounts attaches fastest from its file",
	"erofs from a loop device":    "kept mounts are made of one",
	"construction":                "how the mounts of a snapshot are made; older kernels have fewer ways, and slower ones",
	"tree":                        "every attach begins with it",
	"view":                        "it is what a container sees",
	"upper in use":                "without it nothing proves that a dead container's upper is unused",
	"idmap":                       "files must belong to the user that a container runs as: a client may turn its cache off otherwise",
	"attach":                      "it puts a view into a container",
	"redirect_always_follow":      "it would let an upper lead elsewhere, were it asked for",
	"panic_on_warn":               "a warning would stop the machine",
	"mounts in one namespace":     "each kept snapshot and each container's views are mounts",
	"selinux":                     "a container reads only what has its label, and on some kernels loads compiled modules only from objects that it may read",
}

// try adds a check that is OK when err is nil.
func (h *host) try(name string, needed bool, detail string, err error, fix string) bool {
	c := Check{Name: name, OK: err == nil, Needed: needed, Detail: detail}
	if err != nil {
		c.Detail, c.Fix = err.Error(), fix
	}
	h.add(c)
	return c.OK
}

func (h *host) user() {
	var err error
	if os.Geteuid() != 0 {
		err = fmt.Errorf("this is user %d", os.Geteuid())
	}
	h.try("root", true, "", err, "sudo larder doctor")
}

func (h *host) scratch(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for {
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			break
		}
		if dir == "/" {
			break
		}
		dir = filepath.Dir(dir)
	}
	h.on = dir
	// A store has a place for things that may be left by a kill.
	if st, err := os.Stat(filepath.Join(dir, "staging")); err == nil && st.IsDir() {
		dir = filepath.Join(dir, "staging")
	}
	h.dir, err = os.MkdirTemp(dir, ".larder-doctor-")
	return err
}

const (
	object  = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" // SHA-256 of content
	content = "test"
)

// makeSnapshot writes an image of two layers that share one object.
func (h *host) makeSnapshot() error {
	h.image, h.pool = filepath.Join(h.dir, "image.erofs"), filepath.Join(h.dir, "objects")
	if err := os.MkdirAll(filepath.Join(h.pool, object[:2]), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(h.pool, object[:2], object[2:]), []byte(content), 0o444); err != nil {
		return err
	}
	f, err := os.Create(h.image)
	if err != nil {
		return err
	}
	defer f.Close()
	w := erofs.Create(f, erofs.WithBuildTime(0, 0), erofs.WithTempDir(h.dir))
	for _, dir := range []string{"/", "/l", "/l/one", "/l/two"} {
		if err := w.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"/l/one/a", "/l/two/b"} {
		e, err := w.Create(name)
		if err != nil {
			return err
		}
		if _, err := e.Write(make([]byte, len(content))); err != nil {
			return err
		}
		if err := e.Close(); err != nil {
			return err
		}
		if err := w.Setxattr(name, "trusted.overlay.metacopy", ""); err != nil {
			return err
		}
		if err := w.Setxattr(name, "trusted.overlay.redirect", "/"+object[:2]+"/"+object[2:]); err != nil {
			return err
		}
	}
	return w.Close()
}
