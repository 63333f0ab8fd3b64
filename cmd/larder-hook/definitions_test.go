package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// hookDefinition is a hook as hooks.d (1.0.0) and CDI (0.3.0, the oldest that any reader knows) both write it.
type hookDefinition struct {
	HookName string   `json:"hookName"` // CDI
	Path     string   `json:"path"`
	Args     []string `json:"args"`
	Env      []string `json:"env"`
	Timeout  int      `json:"timeout"`
}

// hooksD is a file of hooks.d, of which one bad file stops every container.
type hooksD struct {
	Version string         `json:"version"`
	Hook    hookDefinition `json:"hook"`
	When    struct {
		Annotations map[string]string `json:"annotations"`
	} `json:"when"`
	Stages []string `json:"stages"`
}

type cdi struct {
	Version string `json:"cdiVersion"`
	Kind    string `json:"kind"`
	Devices []struct {
		Name           string `json:"name"`
		ContainerEdits struct {
			Hooks []hookDefinition `json:"hooks"`
		} `json:"containerEdits"`
	} `json:"devices"`
}

func readDefinition(t *testing.T, name string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../scripts", name))
	must(t, err)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields() // CDI refuses a file with a field it does not know
	must(t, dec.Decode(v))
	if dec.More() {
		t.Errorf("%s: something follows", name)
	}
}

// check holds a definition to what the hook needs: an environment of its own
// (without one, old runtimes pass the container's), more time than it takes by
// itself, arguments that it understands.
func (d hookDefinition) check(t *testing.T, name, stage string) {
	t.Helper()
	if !filepath.IsAbs(d.Path) || len(d.Env) == 0 || len(d.Args) < 2 || d.Args[0] != filepath.Base(d.Path) {
		t.Errorf("%s: %+v", name, d)
	}
	if time.Duration(d.Timeout)*time.Second <= deadline {
		t.Errorf("%s: timeout %d s is not more than the hook's own %v", name, d.Timeout, deadline)
	}
	o, err := parse(d.Args[1:], "")
	if err != nil || map[string]string{"createRuntime": "attach", "poststop": "release"}[stage] != o.verb {
		t.Errorf("%s: stage %s, arguments %q: %v", name, stage, d.Args, err)
	}
}

func TestHooksD(t *testing.T) {
	var stages []string
	for _, name := range []string{"larder-attach.json", "larder-release.json"} {
		var h hooksD
		readDefinition(t, name, &h)
		if h.Version != "1.0.0" || len(h.Stages) != 1 {
			t.Errorf("%s: %+v", name, h)
			continue
		}
		stages = append(stages, h.Stages[0])
		h.Hook.check(t, name, h.Stages[0])
		// They are not anchored by themselves.
		for key, value := range h.When.Annotations {
			k, v := regexp.MustCompile(key), regexp.MustCompile(value)
			if !k.MatchString(profileAnnotation) || k.MatchString("x"+profileAnnotation+"x") || !v.MatchString("ml") || v.MatchString("../ml") {
				t.Errorf("%s: when %s is %s", name, key, value)
			}
		}
		if len(h.When.Annotations) == 0 {
			t.Errorf("%s: for every container", name)
		}
	}
	if !slices.Equal(stages, []string{"createRuntime", "poststop"}) {
		t.Errorf("stages %q", stages)
	}
}

func TestCDI(t *testing.T) {
	var c cdi
	readDefinition(t, "larder-cdi.json", &c)
	if c.Version != "0.3.0" || !regexp.MustCompile(`^[a-z][a-z0-9.-]*[a-z0-9]/[a-z][a-z0-9_-]*$`).MatchString(c.Kind) || len(c.Devices) == 0 {
		t.Errorf("%+v", c)
	}
	for _, d := range c.Devices {
		if hooks := d.ContainerEdits.Hooks; len(hooks) != 2 {
			t.Errorf("device %s has %d hooks", d.Name, len(hooks))
		}
		for _, h := range d.ContainerEdits.Hooks {
			h.check(t, d.Name, h.HookName)
		}
	}
}
