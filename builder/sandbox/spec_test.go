package sandbox

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// The list of system calls has each once, and none of those that it is there to keep out.
func TestProfile(t *testing.T) {
	sorted := slices.Sorted(slices.Values(allowed))
	if unique := slices.Compact(slices.Clone(sorted)); len(unique) != len(allowed) {
		t.Errorf("%d names, %d of them different", len(allowed), len(unique))
	}
	for _, name := range strings.Fields(`clone clone3 unshare setns socket personality mount umount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr
		ptrace process_vm_readv process_vm_writev process_madvise kcmp pidfd_getfd keyctl add_key request_key bpf perf_event_open io_uring_setup io_uring_enter io_uring_register
		kexec_load kexec_file_load userfaultfd open_by_handle_at name_to_handle_at init_module finit_module delete_module reboot swapon swapoff syslog settimeofday clock_settime
		adjtimex clock_adjtime acct quotactl quotactl_fd fanotify_init lookup_dcookie iopl ioperm modify_ldt sethostname setdomainname vhangup uselib vmsplice memfd_secret`) {
		if slices.Contains(allowed, name) {
			t.Errorf("%s is allowed", name)
		}
	}
	p := profile()
	if p.DefaultAction != specs.ActErrno || p.DefaultErrnoRet == nil || *p.DefaultErrnoRet != 38 || len(p.Architectures) != 1 || p.Architectures[0] == "" {
		t.Errorf("%+v", p)
	}
	for _, s := range p.Syscalls {
		if s.Action != specs.ActAllow || len(s.Names) == 1 && len(s.Args) == 0 {
			t.Errorf("%+v", s)
		}
		if s.Names[0] == "clone" && (len(s.Args) != 1 || s.Args[0].Value != 0x7e020000 || s.Args[0].ValueTwo != 0 || s.Args[0].Op != specs.OpMaskedEqual) {
			t.Errorf("%+v", s)
		}
	}
}

func text(t *testing.T, c *specs.Spec) string {
	t.Helper()
	b, err := json.Marshal(c)
	must(t, err)
	return string(b)
}

// What every container's configuration has, and what only one without control groups.
func TestConfig(t *testing.T) {
	s := Spec{Args: []string{"/x"}, Dir: "/build", Limits: Limits{}.filled()}
	all := groups{memory: true, processes: true, cpus: true, swap: true}
	c := config(s, newVariant(0, 4), "0,1,2,3", all, "g")
	said := text(t, c)
	for _, kind := range []string{"user", "pid", "mount", "network", "ipc", "uts", "cgroup"} {
		if !strings.Contains(said, `{"type":"`+kind+`"}`) {
			t.Errorf("no new %s namespace", kind)
		}
	}
	for _, want := range []string{`"capabilities":{}`, `"noNewPrivileges":true`, `"readonly":true`, `"umask":18`, `"hostID":1879048192,"size":1`,
		`"cgroupsPath":"/g"`, `"limit":3221225472,"swap":3221225472`, `"pids":{"limit":512}`, `"cpus":"0,1,2,3"`, `"env":["HOME=/"]`} {
		if !strings.Contains(said, want) {
			t.Errorf("no %s in %s", want, said)
		}
	}
	if strings.Contains(said, "RLIMIT_AS") || strings.Contains(said, "RLIMIT_NPROC") {
		t.Error("limits of a process, where groups have them")
	}
	other := text(t, config(s, newVariant(1, 4), "0,1", all, "g"))
	for from, to := range map[string]string{`"hostID":1879048192`: `"hostID":1879113728`, "3221225472": "2147483648", "0,1,2,3": "0,1"} {
		said = strings.ReplaceAll(said, from, to)
	}
	if said != other {
		t.Errorf("variants differ in more than they are to:\n%s\n%s", said, other)
	}
	without := text(t, config(s, newVariant(0, 4), "0,1,2,3", groups{}, "g"))
	for _, want := range []string{`{"type":"RLIMIT_AS","hard":2147483648,"soft":2147483648}`, `{"type":"RLIMIT_NPROC","hard":512,"soft":512}`, `{"type":"RLIMIT_FSIZE","hard":1073741824,"soft":1073741824}`} {
		if !strings.Contains(without, want) {
			t.Errorf("no %s in %s", want, without)
		}
	}
	if strings.Contains(without, "cgroupsPath") || strings.Contains(without, `"cpus"`) {
		t.Errorf("a group where there are none: %s", without)
	}
}

func TestVariant(t *testing.T) {
	for processors, other := range map[int]int{1: 1, 2: 1, 3: 1, 8: 4} {
		if a, b := newVariant(0, processors), newVariant(1, processors); a.processors != processors || b.processors != other || a.uid == b.uid || a.ext4 == b.ext4 {
			t.Errorf("%d processors: %+v, %+v", processors, a, b)
		}
	}
	if string(online(1))+string(online(4)) != "0\n0-3\n" {
		t.Errorf("%s%s", online(1), online(4))
	}
}

func TestUsage(t *testing.T) {
	pages := int64(os.Getpagesize())
	for stat, want := range map[string][2]int64{
		"7 (a) R 9) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 13 0 99 123456 42 18446744073709551615 1": {13, 42 * pages},
		"7 (short) S 1": {}, "": {}, ")": {},
	} {
		if threads, bytes := usage(stat); int64(threads) != want[0] || bytes != want[1] {
			t.Errorf("%q: %d threads, %d bytes", stat, threads, bytes)
		}
	}
}

func TestCount(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory.events")
	must(t, os.WriteFile(file, []byte("low 0\noom 3\noom_kill 2\noom_group_kill 1\n"), 0o644))
	if n := count(file, "oom_kill"); n != 2 {
		t.Errorf("%d", n)
	}
	if n := count(file, "max") + count(file+"x", "max"); n != 0 {
		t.Errorf("%d", n)
	}
}

func TestMessage(t *testing.T) {
	log := `{"level":"warning","msg":"first"}` + "\nnoise\n" + `{"level":"error","msg":"the reason"}` + "\n"
	if got := message([]byte(log)); got != "the reason" {
		t.Errorf("%q", got)
	}
}

func TestInside(t *testing.T) {
	for name, want := range map[string]string{"/a/b": "a/b", "a": "a", "/../../etc/x": "etc/x", "//a//b/": "a/b"} {
		if got := inside(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
