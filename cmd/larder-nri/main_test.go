package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/cmd/internal/config"
	"larder/cmd/internal/readiness"
)

func TestParse(t *testing.T) {
	for _, args := range [][]string{
		{"x"}, {"--nope"}, {"--store", "rel"}, {"--config", "rel"}, {"--socket", "rel"}, {"--ready", ""}, {"--index", "5"}, {"--index", "ab"}, {"--index", "500"},
		{"--hook", "/none"}, {"--hook", "/"}, {"ready", "--store", "/s"}, {"ready", "x"}, {"--bundles", "rel"},
	} {
		if o, err := parse(args, ""); err == nil && o.ready != "" {
			t.Errorf("%q: accepted", args)
		}
	}
	o, err := parse([]string{"--required", "--index", "07"}, "/store")
	if err != nil || !o.required || o.index != "07" || o.store != "/store" || o.socket != "/var/run/nri/nri.sock" || o.ready != "/run/larder/nri.json" {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := parse([]string{"--help"}, ""); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("%v", err)
	}
}

// Registered is who has said so lately.
func TestReadStatus(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ready.json")
	h := health{path: path}
	h.registered("containerd 2.1")
	s, err := readiness.Read(path, time.Now())
	if err != nil || s.Runtime != "containerd 2.1" || s.PID != os.Getpid() {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := readiness.Read(path, time.Now().Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "dead or stopped") {
		t.Errorf("a minute old: %v", err)
	}
	must(t, os.WriteFile(path, []byte("{"), 0o600))
	if _, err := readiness.Read(path, time.Now()); err == nil {
		t.Error("half a file")
	}
	h.lost()
	if _, err := readiness.Read(path, time.Now()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("lost: %v", err)
	}
}

// The operator's file is read again when it is another one, and a mistake in it is said each time.
func TestSettings(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.toml")
	s := settings{path: path}
	for text, ok := range map[string]bool{"[profile.a]\nnamespaces = [\"ci\"]\n": true, "stor = 1\n": false} {
		for range 2 {
			must(t, os.WriteFile(path+".new", []byte(text), 0o600))
			must(t, os.Rename(path+".new", path))
			cfg, err := s.load()
			if (err == nil) != ok || ok && len(cfg.Profile) != 1 {
				t.Errorf("%q: %v, %v", text, cfg.Profile, err)
			}
		}
	}
	must(t, os.Remove(path))
	if _, err := s.load(); err == nil {
		t.Error("a file that was named is missing")
	}
}

// Who is late does not commit, and who has committed is waited for.
func TestWithin(t *testing.T) {
	refused := make(chan error, 1)
	err := within(10*time.Millisecond, func(commit func() error) error {
		time.Sleep(300 * time.Millisecond)
		refused <- commit()
		return nil
	})
	if !errors.Is(err, errLate) || !errors.Is(<-refused, errLate) {
		t.Errorf("%v", err)
	}
	done := false
	err = within(10*time.Millisecond, func(commit func() error) error {
		err := commit()
		time.Sleep(300 * time.Millisecond)
		done = true
		return err
	})
	if err != nil || !done {
		t.Errorf("%v, done %v", err, done)
	}
}

// The manifest has the places that the plugin looks at when it is told nothing.
func TestManifest(t *testing.T) {
	text, err := os.ReadFile("daemonset.yaml")
	must(t, err)
	o, err := parse(nil, "")
	must(t, err)
	for _, path := range []string{filepath.Dir(o.socket), config.DefaultStore, filepath.Dir(o.ready), filepath.Dir(config.DefaultPath), "/run/containerd"} {
		if got := strings.Count(string(text), "path: "+path+","); got != 1 || !strings.Contains(strings.ToLower(string(text)), "mountpath: "+path) {
			t.Errorf("%s is mounted %d times", path, got)
		}
	}
	for _, want := range []string{"hostPID: true", "privileged: true", "mountPropagation: HostToContainer", "[/larder-nri, ready]", "system-node-critical"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s", want)
		}
	}
}
