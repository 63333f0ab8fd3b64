//go:build linux

package probe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMayMap(t *testing.T) {
	for label, want := range map[string]bool{
		"system_u:object_r:container_ro_file_t:s0\x00": true,
		"system_u:object_r:container_share_t:s0":       true,
		"system_u:object_r:var_lib_t:s0\x00":           false,
		"container_ro_file_t":                          false,
		"":                                             false,
	} {
		if got := mayMap(label); got != want {
			t.Errorf("%q: %v", label, got)
		}
	}
}

// A store whose new objects no container may map is named, with the command that mends it. Where there
// is no store yet, there is nothing to mend.
func TestMountLabels(t *testing.T) {
	store := t.TempDir()
	for _, tc := range []struct {
		dir, label string
		ok         bool
	}{
		{"", "", true},
		{"objects", "system_u:object_r:container_ro_file_t:s0", true},
		{"staging", "system_u:object_r:var_lib_t:s0", false},
		{"staging", "system_u:object_r:container_ro_file_t:s0", true},
	} {
		if tc.dir != "" {
			if err := os.MkdirAll(filepath.Join(store, tc.dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := unix.Setxattr(filepath.Join(store, tc.dir), "security.selinux", []byte(tc.label+"\x00"), 0); err != nil {
				t.Fatal(err)
			}
		}
		h := &host{on: store}
		h.labels()
		c := h.checks[0]
		if c.OK != tc.ok || c.Why == "" || !c.OK && !strings.Contains(c.Fix, "semanage fcontext -a -t container_ro_file_t '"+store+"/(objects|staging)(/.*)?'") {
			t.Errorf("%s %s: %+v", tc.dir, tc.label, c)
		}
	}
}
