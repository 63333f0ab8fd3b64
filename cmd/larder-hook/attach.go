package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"larder/cmd/internal/config"
	"larder/overlay"
	"larder/overlay/keep"
	"larder/overlay/oci"
	"larder/overlay/oci/container"
	"larder/snapshot"
)

// stateTimeout is how long a runtime may take to write the state.
const stateTimeout = 5 * time.Second

// The annotations a container may have.
const (
	profileAnnotation = "dev.larder.profile"
	lockAnnotation    = "dev.larder.lock"
	venvAnnotation    = "dev.larder.venv"
)

// session is an attach under way.
type session struct {
	*job
	state   oci.State
	spec    oci.Spec
	name    string // of the profile
	profile config.Profile
	store   *snapshot.Store
	c       *container.Container
	id      snapshot.ID
	trees   map[overlay.Owner]tree
	places  []place
	taken   []taken
}

// taken is a mount point that somebody has.
type taken struct{ name, path string }

type tree struct {
	file *os.File
	how  keep.How
}

// place is one mount of a container.
type place struct {
	name   string // of the instance's directory: a client, env
	point  *container.Point
	views  []string // of a cache
	lowers []string // topmost first
	keep   bool     // what is there must stay visible
	// but not what it has itself of these: the lock's
	projects []string
}

func (j *job) attach(stdin *os.File) error {
	s := &session{job: j, trees: map[overlay.Owner]tree{}}
	if err := s.read(stdin); err != nil {
		return err
	}
	j.lap("state")
	rootfs, err := s.state.RootFS(s.spec)
	if err != nil {
		return err
	}
	if s.c, err = container.Enter(s.state.PID, rootfs); err != nil {
		return err
	}
	j.lap("container")
	// Two hooks for one id at a time: leases and instances are named by it.
	unlock, err := lockContainer(s.state.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.unprovisioned(); err != nil {
		return err
	}
	view := s.findPlaces()
	wanted, err := s.wantEnvironment()
	if err != nil {
		s.skip("environment", err)
	}
	j.lap("places")
	if len(s.places) == 0 && view == nil && wanted == nil {
		return nil
	}
	if err := s.claim(); err != nil {
		return err
	}
	j.lap("lease")
	mounts, err := s.build(view, wanted)
	if err != nil {
		return err
	}
	j.lap("build")
	if len(mounts) == 0 || s.required && len(s.skipped) > 0 {
		return errors.New(strings.Join(s.skipped, "; "))
	}
	if err := s.c.Alive(); err != nil {
		return err
	}
	j.commit()
	if err := s.c.Attach(mounts); err != nil {
		return err
	}
	j.lap("attach")
	return nil
}

// read takes in the state, the bundle and the configuration, and opens the
// store: all that is known before the container is looked at.
func (s *session) read(stdin *os.File) (err error) {
	if s.state, err = oci.ReadState(stdin, stateTimeout); err != nil {
		return err
	}
	s.job.id = s.state.ID
	if err := s.state.Live(); err != nil {
		return err
	}
	if s.spec, err = oci.ReadSpec(s.state.Bundle); err != nil {
		return err
	}
	cfg, err := config.Load(s.options.config)
	if err != nil {
		return err
	}
	if s.name, s.profile, err = chooseProfile(cfg, s.options.profile, s.annotation(profileAnnotation)); err != nil {
		return err
	}
	s.store, err = openStore(s.options.store, cfg)
	return err
}

// annotation looks in the state first: not every runtime passes annotations
// there.
func (s *session) annotation(key string) string {
	if v, ok := s.state.Annotations[key]; ok {
		return v
	}
	return s.spec.Annotations[key]
}

// chooseProfile is the operator's list against the container's word. Asking for
// what one gets anyway is not asking.
func chooseProfile(cfg config.Config, flag, annotation string) (string, config.Profile, error) {
	if flag == "" {
		flag = config.DefaultProfile
	}
	if annotation != "" && annotation != flag {
		p, err := cfg.Requested(annotation)
		return annotation, p, err
	}
	p, err := cfg.For(flag)
	return flag, p, err
}

// openStore opens the store that the flag, LARDER_STORE or the file names.
func openStore(named string, cfg config.Config) (*snapshot.Store, error) {
	if named == "" {
		named = cfg.Store
	}
	return snapshot.Open(named)
}

// clients are the mount points a profile's views make, in the order they are
// attached.
var clients = []struct {
	name  string
	views []string // topmost first
}{
	{"pip", []string{"pip", "pip-old"}},
	{"uv", []string{"uv"}},
	{"poetry", []string{"poetry"}},
}

// findPlaces resolves where the caches and the read-only view go. A place that
// is refused is left out; the others go on.
func (s *session) findPlaces() (view *container.Point) {
	uid, gid, err := s.c.HostIDs(s.spec.UID, s.spec.GID)
	if err != nil {
		s.skip("caches", err)
	}
	home := sync.OnceValues(func() (string, error) { return s.spec.Home(s.c.ReadFile) })
	for _, client := range clients {
		views := slices.DeleteFunc(slices.Clone(client.views), func(v string) bool { return !slices.Contains(s.profile.Views, v) })
		if len(views) == 0 || err != nil {
			continue
		}
		want, cause := s.profile.MountPoints[client.name], error(nil)
		if want == "" {
			want, cause = oci.CacheDir(client.name, s.spec.Getenv, home)
		}
		var p *container.Point
		if cause == nil {
			p, cause = s.point(client.name, want, container.PointOptions{Make: true, UID: uid, GID: gid, Cover: s.profile.Override, Keep: true})
		}
		if cause != nil {
			s.skip(client.name, cause)
			continue
		}
		s.places = append(s.places, place{name: client.name, point: p, views: views})
	}
	if want := s.profile.ReadOnlyView(); want != "" {
		view = s.findView(want)
	}
	return view
}

// findView resolves the place of the read-only view. It belongs to the
// container's root, who is the one to have made /mnt.
func (s *session) findView(want string) *container.Point {
	if s.spec.MountLabel != "" {
		s.skip("view", errors.New("not yet with an SELinux mount label"))
		return nil
	}
	uid, gid, err := s.c.HostIDs(0, 0)
	if err != nil {
		if uid, gid, err = s.c.HostIDs(s.spec.UID, s.spec.GID); err != nil {
			return nil // said for the caches already
		}
	}
	p, err := s.point("view", want, container.PointOptions{Make: true, UID: uid, GID: gid, Cover: s.profile.Override})
	if err != nil {
		s.skip("view", err)
		return nil
	}
	return p
}

// point resolves a place for name and sees to it that a failure leaves nothing
// made.
func (s *session) point(name, want string, o container.PointOptions) (*container.Point, error) {
	p, err := s.c.Point(want, o)
	if err != nil {
		return nil, err
	}
	for _, other := range s.taken {
		if overlaps(p.Path, other.path) {
			s.c.Abandon(p)
			return nil, fmt.Errorf("%w %.80q overlaps that of %s", container.ErrPoint, p.Path, other.name)
		}
	}
	s.taken = append(s.taken, taken{name, p.Path})
	s.onFailure(func() { s.c.Abandon(p) })
	return p, nil
}

// overlaps says whether one of two places is in the other.
func overlaps(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

// exists says whether the snapshot has a directory.
func (t tree) exists(path string) bool {
	var st unix.Stat_t
	return unix.Fstatat(int(t.file.Fd()), path, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}
