//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
	"larder/overlay/overlaytest"
	"larder/snapshot/ecosystem"
)

// An index that sends no cache headers leaves nothing in a client's cache. What the real one has
// installed in the container's own files, release notes in the instance; of the image's nothing.
func TestMountReleaseLooksAtInstalls(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	hookBinary(t) // made before the clock of an attach runs
	index := pypitest.NewIndex(t, pypitest.Options{Mirror: true})
	wheel := pypitest.Wheel{Name: "missed", Version: "1.2"}
	index.Add(map[string][]byte{wheel.Filename(): wheel.Bytes()})
	store := filepath.Join(t.TempDir(), "store")
	publish(t, store, nil)
	f := start(t, store, "c1", 0)
	const site = "usr/local/lib/python3.11/site-packages"
	image := filepath.Join(f.rootfs, site, "brought-1.0.dist-info")
	must(t, os.MkdirAll(image, 0o755))
	must(t, os.WriteFile(filepath.Join(image, "METADATA"), nil, 0o644))
	if status, stderr := f.attach("--required"); status != 0 {
		t.Fatalf("attach: exit %d, %q", status, stderr)
	}
	python, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	must(t, err)
	f.sh("PIP_CONFIG_FILE=/dev/null " + strings.TrimSpace(string(python)) + " -m pip install --quiet --no-input --disable-pip-version-check --root-user-action ignore" +
		" --target $R/" + site + " --cache-dir $R/home/a/.cache/pip --index-url " + index.URL() + " --trusted-host " + index.Host() + " missed 2>&1")
	f.stop()
	f.release()
	// Counted already, or left for gc where the machine had no time for it.
	text, err := os.ReadFile(filepath.Join(store, "usage/pending.jsonl"))
	if err != nil {
		paths, _ := filepath.Glob(filepath.Join(store, "trash/*", ecosystem.PresentName))
		if len(paths) != 1 {
			t.Fatalf("%v, and %v in the trash", err, paths)
		}
		text, err = os.ReadFile(paths[0])
	}
	must(t, err)
	const found = `{"ecosystem":"pypi","project":"missed","version":"1.2","target":"3.11","kind":"installed","client":"pip"}`
	if !strings.Contains(string(text), "["+found+"]") {
		t.Errorf("noted %s", text)
	}
}
