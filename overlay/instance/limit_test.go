//go:build linux

package instance_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"larder/overlay"
	"larder/overlay/instance"
	"larder/overlay/overlaytest"
)

// Where the file system has project quotas, an instance fills up and nothing
// else does; where it has none, that is said and changes nothing. LARDER_TEST_HAS names those that
// this host must have; others may lack, but for the ones without quotas.
func TestMountLimit(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	for name, mkfs := range map[string]string{
		"ext4-quotas":   "mkfs.ext4 -q -O quota,project -E quotatype=prjquota $1 && mount -o loop,prjquota $1 $2",
		"ext4-counting": "mkfs.ext4 -q -O quota,project -E quotatype=prjquota $1 && mount -o loop $1 $2",
		"ext4":          "mkfs.ext4 -q $1 && mount -o loop $1 $2",
		"xfs-quotas":    "mkfs.xfs -q $1 && mount -o loop,prjquota $1 $2",
		"xfs":           "mkfs.xfs -q $1 && mount -o loop $1 $2",
		"btrfs":         "mkfs.btrfs -q $1 && mount -o loop $1 $2",
	} {
		t.Run(name, func(t *testing.T) {
			image, disk := filepath.Join(t.TempDir(), "disk"), t.TempDir()
			must(t, os.WriteFile(image, nil, 0o600))
			must(t, os.Truncate(image, 320<<20))
			quotas := strings.HasSuffix(name, "-quotas")
			if out, err := exec.Command("sh", "-ec", mkfs, "sh", image, disk).CombinedOutput(); err != nil {
				if slices.Contains(needed(), name) {
					t.Fatalf("%v: %s", err, out)
				}
				t.Logf("not on this host: %s", out)
				return
			}
			defer func() { _ = unix.Unmount(disk, unix.MNT_DETACH) }()
			if err := instance.CanLimit(disk); (err == nil) != quotas {
				t.Fatalf("can limit: %v", err)
			}
			if quotas {
				fill(t, disk)
				return
			}
			i, err := instance.Create(filepath.Join(disk, "i"))
			must(t, err)
			defer i.Close()
			if err := i.Limit(1 << 20); !errors.Is(err, overlay.ErrUnsupported) || !strings.Contains(err.Error(), "no project quotas in force") {
				t.Error(err)
			}
			_, _, err = i.Add("pip", []string{"a"}, self, 0o755)
			must(t, err)
		})
	}
}

// needed are the file systems that the test must find.
func needed() []string {
	if has, ok := os.LookupEnv("LARDER_TEST_HAS"); ok {
		return strings.Fields(has)
	}
	return []string{"ext4", "xfs", "btrfs"}
}

// fill writes through an overlay, as containers do: ext4 lets root itself past
// every limit, and the kernel takes that right from an overlay.
func fill(t *testing.T, disk string) {
	const limit = 8 << 20
	lower, point := t.TempDir(), t.TempDir()
	write := func(dir string, size int) error {
		must(t, unix.Mount("overlay", point, "overlay", 0, "lowerdir="+lower+",upperdir="+dir+"/u,workdir="+dir+"/w"))
		defer func() { must(t, unix.Unmount(point, 0)) }()
		f, err := os.Create(filepath.Join(point, "file"))
		must(t, err)
		defer f.Close()
		for piece := make([]byte, 1<<20); err == nil && size > 0; size -= len(piece) {
			_, err = f.Write(piece)
		}
		return err
	}
	for _, name := range []string{"one", "two"} {
		i, err := instance.Keep(filepath.Join(disk, name))
		must(t, err)
		must(t, i.Limit(limit))
		dir, _, err := i.Add("pip", []string{"a"}, self, 0o755)
		must(t, err)
		if err := write(dir, limit+1<<30); !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EDQUOT) {
			t.Errorf("%s: over the limit: %v", name, err)
		}
		if st, err := os.Stat(filepath.Join(dir, "u/file")); err != nil || st.Size() > limit || st.Size() < limit/2 {
			t.Errorf("%s: it took %d of %d, %v", name, st.Size(), limit, err)
		}
		must(t, i.Close())
		// Once more, with room for the rest.
		i, err = instance.Keep(filepath.Join(disk, name))
		must(t, err)
		must(t, i.Limit(4*limit))
		must(t, write(dir, 2*limit))
		must(t, i.Close())
	}
	must(t, os.WriteFile(filepath.Join(disk, "file"), make([]byte, 2*limit), 0o600))
	// What was limited can be taken out of sight like anything else.
	must(t, os.Mkdir(filepath.Join(disk, "trash"), 0o700))
	must(t, os.Rename(filepath.Join(disk, "one"), filepath.Join(disk, "trash/one")))
}

func TestCheckFree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "i")
	if err := instance.CheckFree(dir, 0); err != nil {
		t.Error(err)
	}
	if err := instance.CheckFree(dir, 1<<60); !errors.Is(err, overlay.ErrRefused) || !strings.Contains(err.Error(), "min_free") {
		t.Error(err)
	}
}
