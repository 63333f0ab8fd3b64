package config

import (
	"fmt"
	"slices"
	"strings"
)

// DefaultProfile is the profile of a container for which none is named. It
// exists without being written down.
const DefaultProfile = "default"

// DefaultView is where a container finds the read-only view of the snapshot.
const DefaultView = "/mnt/cacache"

// DefaultMinFree is what stays free on the store's file system: with less,
// nothing new is attached.
const DefaultMinFree Size = 64e6

// Profile is what a kind of container gets.
type Profile struct {
	Views              []string          `toml:"views"`
	MountPoints        map[string]string `toml:"mount_points"`
	View               *string           `toml:"view"`
	Snapshot           string            `toml:"snapshot"`
	Lock               string            `toml:"lock"`
	Venv               string            `toml:"venv"`
	Target             string            `toml:"target"`
	Missing            string            `toml:"missing"`
	AllowContainerLock bool              `toml:"allow_container_lock"`
	Requestable        bool              `toml:"requestable"`
	Override           bool              `toml:"override"`
	NoExec             bool              `toml:"noexec"`
	UpperLimit         Size              `toml:"upper_limit"`
	MinFree            *Size             `toml:"min_free"`
}

// defaults fills in what the file left out.
func (p Profile) defaults() Profile {
	if p.Views == nil {
		p.Views = []string{"pip", "pip-old"}
	}
	if p.View == nil {
		view := DefaultView
		p.View = &view
	}
	if p.Snapshot == "" {
		p.Snapshot = "current"
	}
	if p.Missing == "" {
		p.Missing = "warn"
	}
	if p.MinFree == nil {
		free := DefaultMinFree
		p.MinFree = &free
	}
	return p
}

// ReadOnlyView is the place of the read-only view in the container, "" when
// the profile wants none.
func (p Profile) ReadOnlyView() string {
	if p.View == nil {
		return DefaultView
	}
	return *p.View
}

// For returns the profile the operator named, "" meaning the default one.
func (c Config) For(name string) (Profile, error) {
	if name == "" {
		name = DefaultProfile
	}
	if p, ok := c.Profile[name]; ok {
		return p.defaults(), nil
	}
	if name == DefaultProfile {
		return Profile{}.defaults(), nil
	}
	return Profile{}, fmt.Errorf("%w: no profile %q%s", ErrConfig, name, nearest(name, c.profiles()))
}

// Requested returns the profile a container named. The name is the
// container's word, so the operator's list decides: a profile that is not
// marked requestable is answered as one that does not exist, and no message
// lists what there is.
func (c Config) Requested(name string) (Profile, error) {
	if !ValidProfileName(name) {
		return Profile{}, fmt.Errorf("%w: the container asks for a profile by a name that is none", ErrConfig)
	}
	p, ok := c.Profile[name]
	if !ok || !p.Requestable {
		return Profile{}, fmt.Errorf("%w: the container asks for profile %q, which is not requestable", ErrConfig, name)
	}
	return p.defaults(), nil
}

// ValidProfileName reports whether name matches
// ^[a-z0-9][a-z0-9._-]{0,63}$. It is written out because a regular expression
// at package level would be compiled at every start of the hook.
func ValidProfileName(name string) bool {
	if len(name) == 0 || len(name) > 64 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}

// profiles lists the names there are, sorted.
func (c Config) profiles() []string {
	names := []string{DefaultProfile}
	for name := range c.Profile {
		if name != DefaultProfile {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// check refuses what could only fail later, in front of a container.
func (p Profile) check(name string) error {
	key := "profile." + name + "."
	if !ValidProfileName(name) {
		return fmt.Errorf("profile %q: a name is a-z, 0-9 and then also . _ -, at most 64 characters", name)
	}
	if err := checkChoice(key+"missing", p.Missing, "warn", "fail"); err != nil {
		return err
	}
	if v := p.View; v != nil && *v != "" {
		if err := checkPath(key+"view", *v); err != nil {
			return err
		}
	}
	for client, path := range p.MountPoints {
		if !slices.Contains(Clients, client) {
			return fmt.Errorf("%smount_points: no client %q%s", key, client, nearest(client, Clients))
		}
		if err := checkPath(key+"mount_points."+client, path); err != nil {
			return err
		}
	}
	for _, f := range []struct{ key, path string }{{"lock", p.Lock}, {"venv", p.Venv}} {
		if f.path == "" {
			continue
		}
		if err := checkPath(key+f.key, f.path); err != nil {
			return err
		}
	}
	return nil
}

// Clients are the programs whose cache directory a profile can place.
var Clients = []string{"pip", "poetry", "uv"}

func checkPath(key, path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return fmt.Errorf("%s: %q is not an absolute path", key, path)
	case strings.ContainsRune(path, 0):
		return fmt.Errorf("%s: a path with a NUL", key)
	case slices.Contains(strings.Split(path, "/"), ".."):
		return fmt.Errorf("%s: %q has a .. in it", key, path)
	case strings.Trim(path, "/.") == "":
		return fmt.Errorf("%s: %q is the root", key, path)
	}
	return nil
}

func checkChoice(key, value string, choices ...string) error {
	if value == "" || slices.Contains(choices, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(choices, ", "))
}
