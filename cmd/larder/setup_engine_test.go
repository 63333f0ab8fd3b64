//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
)

// hookHost is a place with a hook, and directories for definitions.
type hookHost struct {
	t               *testing.T
	dir, hook       string
	hooksDir, cdis  string
	store           string
	podman, devices []string // arguments
}

func newHookHost(t *testing.T) *hookHost {
	t.Helper()
	dir := t.TempDir()
	h := &hookHost{t: t, dir: dir, hook: filepath.Join(dir, "larder-hook"), hooksDir: filepath.Join(dir, "hooks.d"), cdis: filepath.Join(dir, "cdi"), store: filepath.Join(dir, "store")}
	h.write(h.hook, "#!/bin/sh\necho larder-hook 1\n", 0o755)
	h.podman = []string{"setup", "podman", "--hook", h.hook, "--hooks-dir", h.hooksDir, "--cdi-dir", h.cdis}
	h.devices = []string{"setup", "docker", "--hook", h.hook, "--cdi-dir", h.cdis}
	return h
}

func (h *hookHost) write(path, text string, mode os.FileMode) {
	h.t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hookHost) files() (names []string) {
	h.t.Helper()
	for _, dir := range []string{h.hooksDir, h.cdis} {
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			h.t.Fatal(err)
		}
		for _, f := range found {
			names = append(names, filepath.Base(f))
		}
	}
	return names
}

func (h *hookHost) report(args ...string) (r definitionsReport) {
	h.t.Helper()
	out, err := larder(h.t, h.store, append(args, "--json")...)
	if jerr := json.Unmarshal([]byte(out), &r); err != nil || jerr != nil {
		h.t.Fatalf("%q: %v, %v: %s", args, err, jerr, out)
	}
	return r
}

// Written once, the same again, changed by a flag, removed, and nothing left.
func TestMountSetupEngines(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	h := newHookHost(t)
	all := []string{"larder-attach.json", "larder-release.json", "larder-cdi.json"}
	if r := h.report(append(h.podman, "--dry-run")...); len(r.Planned) != 3 || len(r.Wrote) != 0 || len(h.files()) != 0 || !strings.Contains(r.Planned[0].Text, h.hook) {
		t.Errorf("dry run: %+v, %q", r, h.files())
	}
	if r := h.report(h.podman...); len(r.Wrote) != 3 || !slices.Equal(h.files(), all) {
		t.Errorf("first: %+v, %q", r, h.files())
	}
	attach := filepath.Join(h.hooksDir, "larder-attach.json")
	text, err := os.ReadFile(attach)
	if err != nil || !strings.Contains(string(text), `"annotations"`) || !strings.Contains(string(text), h.store) {
		t.Errorf("%v: %s", err, text)
	}
	if r := h.report(h.podman...); len(r.Unchanged) != 3 || len(r.Wrote) != 0 {
		t.Errorf("again: %+v", r)
	}
	if r := h.report(append(h.podman, "--every")...); len(r.Wrote) != 2 || len(r.Unchanged) != 1 {
		t.Errorf("every: %+v", r)
	}
	if text, err := os.ReadFile(attach); err != nil || !strings.Contains(string(text), `"always": true`) || strings.Contains(string(text), "annotations") {
		t.Errorf("%v: %s", err, text)
	}
	if r := h.report(append(h.podman, "--remove", "--dry-run")...); len(r.Planned) != 3 || !slices.Equal(h.files(), all) {
		t.Errorf("dry removal: %+v", r)
	}
	if r := h.report(append(h.podman, "--remove")...); len(r.Removed) != 3 || len(h.files()) != 0 {
		t.Errorf("removal: %+v, %q", r, h.files())
	}
	if r := h.report(append(h.podman, "--remove")...); len(r.Removed) != 0 {
		t.Errorf("second removal: %+v", r)
	}

	config := filepath.Join(h.dir, "config.toml")
	h.write(config, "[profile.ml]\nrequestable = true\n[profile.ops]\n", 0o600)
	h.report(append([]string{"--config", config}, h.devices...)...)
	text, err = os.ReadFile(filepath.Join(h.cdis, "larder-cdi.json"))
	if err != nil || !strings.Contains(string(text), `"name": "ml"`) || strings.Contains(string(text), `"ops"`) || !strings.Contains(string(text), config) {
		t.Errorf("devices: %v: %s", err, text)
	}
}

// A hook that others could exchange, or that no engine could start, is not registered.
func TestMountSetupRefusesHook(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for _, tc := range []struct {
		what, want string
		spoil      func(h *hookHost) error
	}{
		{"missing", "no such file", func(h *hookHost) error { return os.Remove(h.hook) }},
		{"another's", "belongs to user 1000", func(h *hookHost) error { return os.Chown(h.hook, 1000, 0) }},
		{"writable", "others can write", func(h *hookHost) error { return os.Chmod(h.hook, 0o775) }},
		{"directory writable", "mode", func(h *hookHost) error { return os.Chmod(h.dir, 0o777) }},
		{"no program", "no program", func(h *hookHost) error { return os.Chmod(h.hook, 0o644) }},
		{"directory", "no program", func(h *hookHost) error { return errors.Join(os.Remove(h.hook), os.Mkdir(h.hook, 0o644)) }},
		{"another program", "does not say that it is", func(h *hookHost) error { return os.WriteFile(h.hook, []byte("#!/bin/sh\necho hello\n"), 0o755) }},
		{"another name", "not called larder-hook", func(h *hookHost) error {
			return errors.Join(os.Rename(h.hook, h.hook+"2"), os.Symlink(h.hook+"2", h.hook))
		}},
		{"noexec", "mounted noexec", func(h *hookHost) error {
			return errors.Join(unix.Mount(h.dir, h.dir, "", unix.MS_BIND, ""), unix.Mount("", h.dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_NOEXEC, ""))
		}},
	} {
		t.Run(tc.what, func(t *testing.T) {
			h := newHookHost(t)
			if err := tc.spoil(h); err != nil {
				t.Fatal(err)
			}
			out, err := larder(t, h.store, h.podman...)
			if exitCode(err) != exitUsage || err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") || out != "" || len(h.files()) != 0 {
				t.Errorf("%v, %q, %q; want %q", err, out, h.files(), tc.want)
			}
			_ = unix.Unmount(h.dir, unix.MNT_DETACH)
		})
	}
}

func TestMountSetupBundle(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	h := newHookHost(t)
	bundle := filepath.Join(h.dir, "bundle")
	config := filepath.Join(bundle, "config.json")
	if err := os.Mkdir(bundle, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"setup", "bundle", bundle, "--hook", h.hook}
	for _, tc := range []struct{ text, want string }{{"", "no bundle at"}, {"{", "config.json: unexpected end"}, {"{}", "no ociVersion"}} {
		if tc.text != "" {
			h.write(config, tc.text, 0o644)
		}
		if out, err := larder(t, h.store, args...); exitCode(err) != exitUsage || err == nil || !strings.Contains(err.Error(), tc.want) || out != "" {
			t.Errorf("%q: %v, %q", tc.text, err, out)
		}
	}
	if _, err := larder(t, h.store, append(args, "--profile", "none")...); exitCode(err) != exitUsage {
		t.Errorf("an unknown profile: %v", err)
	}
	h.write(config, `{"ociVersion": "1.0.2", "root": {"path": "rootfs"}}`, 0o644)
	if r := h.report(args...); len(r.Wrote) != 1 {
		t.Errorf("%+v", r)
	}
	if r := h.report(args...); len(r.Unchanged) != 1 {
		t.Errorf("again: %+v", r)
	}
	text, err := os.ReadFile(config)
	if err != nil || strings.Count(string(text), h.hook) != 2 {
		t.Errorf("%v: %s", err, text)
	}
	if r := h.report(append(args, "--remove")...); len(r.Wrote) != 1 {
		t.Errorf("removal: %+v", r)
	}
	if text, err := os.ReadFile(config); err != nil || strings.Contains(string(text), "larder") {
		t.Errorf("%v: %s", err, text)
	}
}

func TestMountSetupList(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	h := newHookHost(t)
	root := filepath.Join(h.dir, "root")
	h.hooksDir, h.cdis = filepath.Join(root, "usr/share/containers/oci/hooks.d"), filepath.Join(root, "etc/cdi")
	h.report("setup", "podman", "--hook", h.hook, "--hooks-dir", h.hooksDir, "--cdi-dir", h.cdis)
	list := func() (all struct{ Definitions []definitionRow }) {
		t.Helper()
		out, err := larder(t, h.store, "setup", "list", "--root", root, "--json")
		if jerr := json.Unmarshal([]byte(out), &all); err != nil || jerr != nil {
			t.Fatal(err, jerr, out)
		}
		return all
	}
	if all := list().Definitions; len(all) != 3 || all[0].Program != h.hook || all[0].Problem != "" {
		t.Errorf("%+v", all)
	}
	if err := os.Remove(h.hook); err != nil {
		t.Fatal(err)
	}
	if all := list().Definitions; len(all) != 3 || !strings.Contains(all[2].Problem, "no such file") {
		t.Errorf("without the hook: %+v", all)
	}
}
