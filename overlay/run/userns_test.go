package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// Why a user cannot mount is said with what root can do, where the host's settings tell.
func TestNamespaceProblem(t *testing.T) {
	for file, refused := range map[string]string{
		"user/max_user_namespaces": "0", "kernel/unprivileged_userns_clone": "0", "kernel/apparmor_restrict_unprivileged_userns": "1", "": "",
	} {
		sys := t.TempDir()
		for name, value := range map[string]string{"user/max_user_namespaces": "100", "kernel/unprivileged_userns_clone": "1", file: refused} {
			if name == "" {
				continue
			}
			path := filepath.Join(sys, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(value+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		err := namespaceProblem(sys, &os.PathError{Op: "fork/exec", Path: "/proc/self/exe", Err: unix.EPERM})
		var p *overlay.Problem
		if !errors.As(err, &p) || !errors.Is(err, overlay.ErrUnsupported) || strings.Contains(p.Text, "\n") || p.Advice == "" {
			t.Fatalf("%s: %v", file, err)
		}
		want, advice := strings.ReplaceAll(file, "/", ".")+"="+refused, "sysctl -w "+strings.ReplaceAll(file, "/", ".")
		if file == "" {
			want, advice = "operation not permitted", "root"
		}
		if !strings.Contains(p.Text, want) || !strings.Contains(p.Advice, advice) {
			t.Errorf("%s: %q, %q", file, p.Text, p.Advice)
		}
	}
}
