package run_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay/overlaytest"
)

// A view does not undo what the volume below it says of itself.
func TestMountRunInheritsFlags(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	const script = `cd ~/.cache/pip && test -e http-v2/a/body && { echo x 2>/dev/null >new && echo writes; printf '#!/bin/sh\necho executes\n' 2>/dev/null >run && chmod +x run && ./run 2>/dev/null; true; }`
	for name, tc := range map[string]struct {
		flags uintptr
		want  string
	}{
		"plain":    {0, "writes\nexecutes\n"},
		"noexec":   {unix.MS_NOEXEC, "writes\n"},
		"ro":       {unix.MS_RDONLY, ""},
		"hardened": {unix.MS_RDONLY | unix.MS_NOEXEC | unix.MS_NOSUID | unix.MS_NODEV, ""},
	} {
		w := newWorld(t)
		must(t, unix.Mount("tmpfs", w.home, "tmpfs", 0, ""))
		must(t, os.MkdirAll(filepath.Join(w.home, ".cache/pip"), 0o755))
		must(t, unix.Mount("", w.home, "", unix.MS_REMOUNT|unix.MS_BIND|tc.flags, ""))
		if out, r := w.sh(script); out != tc.want || r.Status != 0 || len(w.warnings) != 0 {
			t.Errorf("%s: output %q, status %d, warnings %q", name, out, r.Status, w.warnings)
		}
		must(t, unix.Unmount(w.home, unix.MNT_DETACH))
	}
}
