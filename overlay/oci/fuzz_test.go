package oci

import (
	"bytes"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"

	"larder/overlay"
)

// A passwd of an image's: the home is a field of a line of it, whatever the file is.
func FuzzHomeIn(f *testing.F) {
	for _, s := range []string{"root:x:0:0::/root:/bin/sh\n", "a:b:1000:c:d:e\n:::::\n", "x:x:4294967296:0::/h:", "x:x:-1:0::/h:\r\n", "\x00:\xff:1:::\n"} {
		f.Add([]byte(s), uint32(1000))
	}
	f.Fuzz(func(t *testing.T, passwd []byte, uid uint32) {
		home := homeIn(passwd, uid)
		if !bytes.Contains(passwd, []byte(home)) || strings.ContainsAny(home, ":\n") {
			t.Errorf("%q is no field", home)
		}
	})
}

// A mount table that holds what a container mounted: a place that passes is on a mount of the table,
// which is not shared, and neither ours nor above another.
func FuzzMountTable(f *testing.F) {
	line := "36 35 98:0 / /r/home rw,noatime - ext4 /dev/root rw,errors=continue\n"
	for _, s := range []string{line, line + strings.Replace(line, "rw,noatime -", "rw shared:1 -", 1), strings.Replace(line, "/r/home", `/r/a\040b\012`, 1),
		strings.Replace(line, "/dev/root", "larder:x", 1), "36 35 98:0 / / rw -", strings.Repeat(line, 3)} {
		f.Add([]byte(s), 36, "/r/home", false)
	}
	f.Fuzz(func(t *testing.T, text []byte, id int, path string, cover bool) {
		table, err := mountinfo.GetMountsFromReader(bytes.NewReader(text), nil)
		if err != nil || checkTable(table, id, path, "/home", cover) != nil {
			return
		}
		found := false
		for _, m := range table {
			if strings.HasPrefix(m.Mountpoint, path+"/") {
				t.Errorf("%q is above %q", path, m.Mountpoint)
			}
			if m.ID != id || found {
				continue
			}
			found = true
			if strings.Contains(" "+m.Optional, " shared:") || m.Mountpoint == path && (!cover || strings.HasPrefix(m.Source, overlay.SourcePrefix)) {
				t.Errorf("%q passed on %+v", path, m)
			}
		}
		if !found {
			t.Errorf("%q passed without a mount", path)
		}
	})
}
