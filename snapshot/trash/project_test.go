package trash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A directory that passes on its project takes no directory of another one (EXDEV). The trash is
// such a directory where an operator has put the store into a project, and what containers leave
// is of the projects they liked.
func TestMountProjects(t *testing.T) {
	if dir := os.Getenv("LARDER_TEST_MOUNTED"); dir != "" {
		emptyProjects(t, dir)
		fmt.Println("emptied")
		return
	}
	image, dir := filepath.Join(t.TempDir(), "disk"), t.TempDir()
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 320<<20))
	script := `mkfs.xfs -q "$1" && mount -o loop "$1" "$2" && exec "$3" -test.run='^TestMountProjects$'`
	cmd := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", image, dir, os.Args[0])
	cmd.Env = append(os.Environ(), "LARDER_TEST_MOUNTED="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "emptied") {
		t.Errorf("%v\n%s", err, out)
	}
}

func emptyProjects(t *testing.T, disk string) {
	for name, store := range map[string]uint32{"in no project": 0, "in a project": 7} {
		dir := filepath.Join(disk, fmt.Sprint("trash-", store))
		must(t, os.Mkdir(dir, 0o700))
		if store != 0 {
			setProject(t, dir, store)
		}
		instance := filepath.Join(dir, "instance")
		for _, sub := range []string{"u/a/b/c/d", "u/e/f/g", "u/h/i", "w/work"} {
			must(t, os.MkdirAll(filepath.Join(instance, sub), 0o700))
		}
		for i, sub := range []string{"u/a", "u/a/b/c", "u/e/f", "u/h", "w"} {
			setProject(t, filepath.Join(instance, sub), uint32(40+i))
		}
		t.Log(name)
		empty(t, dir)
	}
}

func setProject(t *testing.T, dir string, id uint32) {
	t.Helper()
	f, err := os.Open(dir)
	must(t, err)
	defer f.Close()
	a := attributes{flags: inheritProject, project: id}
	if _, _, e := unix.Syscall(unix.SYS_IOCTL, f.Fd(), setAttributes, uintptr(unsafe.Pointer(&a))); e != 0 {
		t.Fatalf("set project of %s: %v", dir, e)
	}
}
