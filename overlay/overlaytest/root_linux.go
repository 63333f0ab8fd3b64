package overlaytest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Root makes a root file system of a few of the host's programs and the
// libraries they name, with the users root and alice (1000).
func Root(t testing.TB, rootfs string) {
	t.Helper()
	for _, d := range []string{"bin", "lib64", "proc", "sys", "dev", "etc", "opt", "mnt", "tmp", "root", "home/alice"} {
		must(t, os.MkdirAll(filepath.Join(rootfs, d), 0o755))
	}
	must(t, os.Chown(filepath.Join(rootfs, "home/alice"), 1000, 1000))
	must(t, os.WriteFile(filepath.Join(rootfs, "etc/passwd"), []byte("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"), 0o644))
	for _, program := range []string{"sh", "cat", "ls", "stat", "find", "touch", "mkdir", "rm", "id", "sleep", "mount", "umount", "chmod", "grep", "sort", "sha256sum"} {
		path, err := exec.LookPath(program)
		must(t, err)
		out, err := exec.Command("ldd", path).Output()
		must(t, err)
		for _, word := range append(strings.Fields(string(out)), path) {
			if !strings.HasPrefix(word, "/") {
				continue
			}
			to := word
			if word == path {
				to = "/bin/" + program
			}
			data, err := os.ReadFile(word)
			must(t, err)
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(rootfs, to)), 0o755))
			must(t, os.WriteFile(filepath.Join(rootfs, to), data, 0o755))
			must(t, os.Chmod(filepath.Join(rootfs, to), 0o755))
		}
	}
}
