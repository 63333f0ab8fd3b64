package config

import (
	"fmt"
	"slices"

	"larder/snapshot/ecosystem"
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
		p.Views = ecosystem.AttachedViews()
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
