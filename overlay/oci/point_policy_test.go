package oci

import (
	"errors"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

func TestCheckPoint(t *testing.T) {
	for _, p := range []string{"/root/.cache/pip", "/cache", "/a//b/", "/a,b:c\\d e\nf"} {
		if err := checkPoint(p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
	for p, want := range map[string]string{
		"":                               "is empty",
		"/":                              "is the root",
		"//./":                           "is the root",
		"cache/pip":                      "not an absolute path",
		"~/x":                            "not an absolute path",
		"/home/../../etc":                "a .. in it",
		"/a/..":                          "a .. in it",
		"/a\x00b":                        "a NUL",
		"/" + strings.Repeat("a", 10000): "of 10001 bytes",
	} {
		err := checkPoint(p)
		if !errors.Is(err, ErrPoint) || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x00") {
			t.Errorf("%.20q: %v, want %q", p, err, want)
		}
	}
}

func TestCheckResolved(t *testing.T) {
	for _, tc := range []struct {
		asked, resolved string
		ok              bool
	}{
		{"/root/.cache/pip", "/root/.cache/pip", true},
		{"/home/a/.cache/pip", "/var/home/a/.cache/pip", true},
		{"/cache", "/cache", true},
		{"/cache/", "/cache", true},
		{"/devel/x", "/devel/x", true},
		{"/home/a/.cache/pip", "/", false},
		{"/home/a/.cache/pip", "/proc", false},
		{"/home/a/.cache/pip", "/proc/sys/net", false},
		{"/sys/fs/cgroup", "/sys/fs/cgroup", false},
		{"/dev/shm/pip", "/dev/shm/pip", false},
		{"/home/a/.cache/pip", "/etc", false},
		{"/home/a/.cache/pip", "/opt", false},
		{"/etc", "/etc", false},
		{"/tmp", "/tmp", false},
	} {
		err := checkResolved(tc.asked, tc.resolved)
		if (err == nil) != tc.ok || err != nil && !errors.Is(err, ErrPoint) {
			t.Errorf("%q to %q: %v, want ok %v", tc.asked, tc.resolved, err, tc.ok)
		}
	}
}

func TestCheckFilesystem(t *testing.T) {
	for _, magic := range []int64{unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.NSFS_MAGIC, 0x19800202} {
		if err := checkFilesystem("/x", forbidden[magic]); !errors.Is(err, ErrPoint) {
			t.Errorf("magic %#x: %v", magic, err)
		}
	}
	for _, magic := range []int64{unix.EXT4_SUPER_MAGIC, unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC, unix.XFS_SUPER_MAGIC} {
		if err := checkFilesystem("/x", forbidden[magic]); err != nil {
			t.Errorf("magic %#x: %v", magic, err)
		}
	}
}

func TestCheckTable(t *testing.T) {
	const root = "/run/c/rootfs"
	table := []*mountinfo.Info{
		{ID: 1, Mountpoint: "/", Optional: "shared:1", Source: "/dev/vda"},
		{ID: 2, Mountpoint: root, Source: "/dev/vda"},
		{ID: 3, Mountpoint: root + "/shared", Optional: "shared:7 master:2", Source: "/dev/vda"},
		{ID: 4, Mountpoint: root + "/slave", Optional: "master:7", Source: "/dev/vda"},
		{ID: 5, Mountpoint: root + "/home/a/.cache/pip/inner", Source: "tmpfs"},
		{ID: 6, Mountpoint: root + "/volume", Source: "/dev/vdb"},
		{ID: 7, Mountpoint: root + "/ours", Source: "larder:abc"},
	}
	for _, tc := range []struct {
		id    int
		place string
		cover bool
		want  string
	}{
		{2, "/root/.cache/pip", false, ""},
		{2, "/home/a/.cache/pip2", false, ""},
		{4, "/slave/x", false, ""},
		{4, "/slave", true, ""},
		{6, "/volume/x", false, ""},
		{6, "/volume", true, ""},
		{6, "/volume", false, "has a volume on it"},
		{3, "/shared/x", false, "shared with others"},
		{3, "/shared/x", true, "shared with others"},
		{7, "/ours", false, "already provisioned"},
		{7, "/ours", true, "already provisioned"},
		{2, "/home/a/.cache/pip", false, "another mount below it"},
		{2, "/home/a", true, "another mount below it"},
		{99, "/x", false, "not in the container's mount table"},
	} {
		err := checkTable(table, tc.id, root+tc.place, tc.place, tc.cover)
		if tc.want == "" && err != nil || tc.want != "" && (!errors.Is(err, ErrPoint) || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("mount %d, %s, cover %v: %v, want %q", tc.id, tc.place, tc.cover, err, tc.want)
		}
	}
}

func TestParseIDMap(t *testing.T) {
	m, err := parseIDMap(strings.NewReader("         0     100000      65536\n     65536 1000 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	ids := user.IdentityMapping{UIDMaps: m, GIDMaps: m}
	for _, tc := range []struct {
		in, host int
		ok       bool
	}{{0, 100000, true}, {65535, 165535, true}, {65536, 1000, true}, {65537, -1, false}} {
		if got, _, err := ids.ToHost(tc.in, tc.in); got != tc.host || (err == nil) != tc.ok {
			t.Errorf("%d to the host: %d, %v", tc.in, got, err)
		}
		if got, _, err := ids.ToContainer(tc.host, tc.host); tc.ok && (got != tc.in || err != nil) {
			t.Errorf("%d from the host: %d, %v", tc.host, got, err)
		}
	}
	if _, _, err := ids.ToContainer(0, 0); err == nil {
		t.Error("the host's root has a name in the container")
	}
	all, err := parseIDMap(strings.NewReader("0 0 4294967295\n"))
	if err != nil {
		t.Fatalf("the initial namespace: %v", err)
	}
	if id, _, err := (user.IdentityMapping{UIDMaps: all, GIDMaps: all}).ToHost(1000, 1000); id != 1000 || err != nil {
		t.Errorf("the initial namespace maps 1000 to %d, %v", id, err)
	}
	for _, in := range []string{"", "0 0\n", "a b c\n", "0 0 0\n", "0 1 10\n5 100 10\n", "0 1 10\n100 5 10\n", "4294967295 0 2\n", "0 4294967290 10\n", "-1 0 1\n", strings.Repeat("0 0 1\n", 400)} {
		if m, err := parseIDMap(strings.NewReader(in)); err == nil {
			t.Errorf("%.30q: accepted as %v", in, m)
		}
	}
}

func FuzzParseIDMap(f *testing.F) {
	f.Add("0 100000 65536\n", uint32(5))
	f.Add("0 0 4294967295\n", uint32(0))
	f.Add("0 1 1\n1 0 1\n", uint32(1))
	f.Fuzz(func(t *testing.T, in string, id uint32) {
		m, err := parseIDMap(strings.NewReader(in))
		if err != nil {
			return
		}
		ids := user.IdentityMapping{UIDMaps: m, GIDMaps: m}
		if host, _, err := ids.ToHost(int(id), int(id)); err == nil {
			if back, _, err := ids.ToContainer(host, host); err != nil || back != int(id) {
				t.Errorf("%d is %d on the host, which is %d, %v", id, host, back, err)
			}
		}
	})
}

func TestAttachError(t *testing.T) {
	if err := attachError("/x", unix.ENOSPC); !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "fs.mount-max") {
		t.Error(err)
	}
	if err := attachError("/x", unix.EPERM); strings.Contains(err.Error(), "fs.mount-max") {
		t.Error(err)
	}
}
