// Package definition is how container engines are told to run the hook: in files of hooks.d (Podman,
// CRI-O), in a CDI specification (Docker, Podman, containerd, CRI-O), and in a bundle's config.json
// (runc, crun). It makes and reads text, and touches no file.
//
// Each definition has an environment of its own, not to be given the container's, and more time than
// the hook takes by itself. Attach is at createRuntime, release at poststop; where each comes from is
// in the specifications named at the types.
package definition

import (
	"bytes"
	"encoding/json"
	"path/filepath"
)

// Kind is the CDI kind of Larder's devices: larder.dev/cache=PROFILE.
const Kind = "larder.dev/cache"

// ProfileAnnotation names a profile, and so asks for the hook where not every container gets it.
const ProfileAnnotation = "dev.larder.profile"

// program is the name that the hook's file has, and that its first argument says.
const program = "larder-hook"

// The seconds that an engine gives the hook. It gives up by itself after 10.
const timeout = 15

// Hook says how the hook is run.
type Hook struct {
	Path     string // absolute
	Common   []string
	Profile  string // "" the default one
	Required bool
}

// command is a hook as runtime-spec (config.md, "POSIX-platform Hooks"), hooks.d and CDI all write it.
type command struct {
	HookName string   `json:"hookName,omitempty"` // CDI
	Path     string   `json:"path"`
	Args     []string `json:"args"`
	Env      []string `json:"env"`
	Timeout  int      `json:"timeout"`
}

func (h Hook) command(args ...string) command {
	return command{Path: h.Path, Args: append(append([]string{program}, args...), h.Common...),
		Env: []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, Timeout: timeout}
}

func (h Hook) attach() command {
	args := []string{"attach"}
	if h.Profile != "" {
		args = append(args, "--profile", h.Profile)
	}
	if h.Required {
		args = append(args, "--required")
	}
	return h.command(args...)
}

func (h Hook) release() command { return h.command("release") }

// hooksD is a file of hooks.d (containers/common, pkg/hooks, schema 1.0.0). Conditions are not anchored
// by themselves.
type hooksD struct {
	Version string   `json:"version"`
	Hook    command  `json:"hook"`
	When    when     `json:"when"`
	Stages  []string `json:"stages"`
}

type when struct {
	Always      bool              `json:"always,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// HooksD are the two files of hooks.d, for every container or those that have the annotation.
func HooksD(h Hook, every bool) (attach, release []byte) {
	on := when{Always: every}
	if !every {
		on.Annotations = map[string]string{`^dev\.larder\.profile$`: "^[a-z0-9][a-z0-9._-]{0,63}$"}
	}
	return encode(hooksD{"1.0.0", h.attach(), on, []string{"createRuntime"}}),
		encode(hooksD{"1.0.0", h.release(), on, []string{"poststop"}})
}

// cdi is a CDI specification (container-device-interface, SPEC.md). It has the lowest version that it
// needs: a reader refuses one that is newer than itself.
type cdi struct {
	Version string   `json:"cdiVersion"`
	Kind    string   `json:"kind"`
	Devices []device `json:"devices"`
}

type device struct {
	Name  string `json:"name"`
	Edits struct {
		Hooks []command `json:"hooks"`
	} `json:"containerEdits"`
}

// CDI is a specification with a device for each profile.
func CDI(h Hook, profiles []string) []byte {
	spec := cdi{Version: "0.3.0", Kind: Kind}
	for _, p := range profiles {
		h.Profile = p
		attach, release := h.attach(), h.release()
		attach.HookName, release.HookName = "createRuntime", "poststop"
		d := device{Name: p}
		d.Edits.Hooks = []command{attach, release}
		spec.Devices = append(spec.Devices, d)
	}
	return encode(spec)
}

func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		panic(err) // strings and numbers
	}
	return b.Bytes()
}

// isHook says whether a command is the hook.
func isHook(c struct{ Path string }) bool { return filepath.Base(c.Path) == program }
