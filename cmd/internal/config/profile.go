package config

import (
	"fmt"
	"slices"
	"strings"

	"larder/snapshot"
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

// What happens to what a container wrote when its process ends: its engine can start it again and finds
// it, or it is thrown away.
const (
	RestartKeep  = "keep"
	RestartReset = "reset"
)

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
	Built              *snapshot.Built   `toml:"built"`
	AllowContainerLock bool              `toml:"allow_container_lock"`
	Requestable        bool              `toml:"requestable"`
	Namespaces         []string          `toml:"namespaces"`
	Override           bool              `toml:"override"`
	NoExec             bool              `toml:"noexec"`
	Restart            string            `toml:"restart"`
	Share              *bool             `toml:"share"`
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
	if p.Built == nil {
		built := snapshot.PureBuilt
		p.Built = &built
	}
	if p.Restart == "" {
		p.Restart = RestartKeep
	}
	if p.Share == nil {
		share := true
		p.Share = &share
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
	return Profile{}, fmt.Errorf("%w: no profile %q%s", ErrConfig, name, nearest(name, c.Profiles()))
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

// RequestedBy returns the profile that a pod of a Kubernetes namespace named. The name is the pod's
// word, the namespace the runtime's, so the operator's list decides: a profile whose namespaces the
// pod's is not among is answered as one that does not exist.
func (c Config) RequestedBy(namespace, name string) (Profile, error) {
	if !ValidProfileName(name) {
		return Profile{}, fmt.Errorf("%w: the pod asks for a profile by a name that is none", ErrConfig)
	}
	p := c.Profile[name]
	if !slices.ContainsFunc(p.Namespaces, func(pattern string) bool { return matches(pattern, namespace) }) {
		return Profile{}, fmt.Errorf("%w: the pod asks for profile %q, which is not for its namespace %.80q", ErrConfig, name, namespace)
	}
	return p.defaults(), nil
}

// matches says whether a namespace is one that a pattern means: a name, or one with a * for the rest.
func matches(pattern, namespace string) bool {
	start, rest := strings.CutSuffix(pattern, "*")
	return namespace == pattern || namespace != "" && rest && strings.HasPrefix(namespace, start)
}

// validNamespace says whether a pattern can mean a namespace: a DNS label (RFC 1123), which may end
// in a *.
func validNamespace(pattern string) bool {
	name, rest := strings.CutSuffix(pattern, "*")
	if len(name) > 63 || name == "" && !rest || strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") && !rest {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
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

// Profiles lists the names there are, sorted.
func (c Config) Profiles() []string {
	names := []string{DefaultProfile}
	for name := range c.Profile {
		if name != DefaultProfile {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
