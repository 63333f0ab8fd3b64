package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// insideName is what the test's program is called in a container: there it is the command.
const insideName = "/inside"

// deeds are what the commands of the tests do, by name. What they return is said, and is status 1.
var deeds = map[string]func(args []string) error{
	"say": func(args []string) error {
		fmt.Println(args[0])
		return os.WriteFile("/out/said", []byte(args[0]), 0o644)
	},
	"dial":     dial,
	"write":    writeOutside,
	"fork":     fork,
	"sleep":    func([]string) error { time.Sleep(time.Hour); return nil },
	"eat":      eat,
	"fill":     fill,
	"litter":   litter,
	"daemon":   daemon,
	"calls":    calls,
	"links":    leaveLinks,
	"chatter":  chatter,
	"look":     look,
	"describe": describe,
	"ordinary": ordinary,
	"nothing":  func([]string) error { return nil },
}

// dial tries to reach what it is given, and what is always there. Reached is a failure.
func dial(addresses []string) error {
	for _, a := range addresses {
		network, address, _ := strings.Cut(a, "!")
		if c, err := net.DialTimeout(network, address, 2*time.Second); err == nil {
			c.Close()
			return fmt.Errorf("reached %s", a)
		}
	}
	if names, err := net.LookupHost("example.org"); err == nil {
		return fmt.Errorf("resolved %s", names)
	}
	interfaces, err := net.Interfaces()
	if err != nil || len(interfaces) != 1 || interfaces[0].Name != "lo" {
		return fmt.Errorf("interfaces %v, %v", interfaces, err)
	}
	return nil
}

// writeOutside tries to write everywhere but where it may.
func writeOutside(shown []string) error {
	for _, dir := range append(shown, "/", "/dev", "/sys", "/sys/devices/system/cpu", "/proc", "/proc/sys/kernel", "/etc", "/proc/self/cwd/..", "/tmp/..") {
		name := filepath.Join(dir, "written")
		if err := os.WriteFile(name, nil, 0o644); err == nil {
			return fmt.Errorf("wrote %s", name)
		}
	}
	for _, name := range []string{insideName, "/sys/devices/system/cpu/online", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger"} {
		if f, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
			f.Close()
			return fmt.Errorf("opened %s for writing", name)
		}
		if err := os.Chmod(name, 0o777); err == nil {
			return fmt.Errorf("changed the mode of %s", name)
		}
	}
	return nil
}

func again(args ...string) *exec.Cmd { return exec.Command(insideName, args...) }

// fork starts itself until it cannot.
func fork([]string) error {
	for {
		if err := again("fork").Start(); err != nil {
			time.Sleep(time.Millisecond)
		}
	}
}

func eat([]string) error {
	for {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		kept = append(kept, b)
	}
}

var kept [][]byte

func fill(args []string) error {
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	time.Sleep(time.Hour)
	return err
}

// litter makes empty files until it cannot.
func litter([]string) error {
	for i := 0; ; i++ {
		if err := os.WriteFile(fmt.Sprintf("/build/%d", i), nil, 0o644); err != nil {
			time.Sleep(time.Hour)
		}
	}
}

// daemon leaves a process behind that writes for as long as it lives.
func daemon(args []string) error {
	if len(args) == 0 {
		cmd := again("daemon", "child")
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			return err
		}
		for {
			if _, err := os.Stat("/out/alive"); err == nil {
				return nil
			}
		}
	}
	for {
		if err := os.WriteFile("/out/alive", []byte(time.Now().String()), 0o644); err != nil {
			return err
		}
	}
}

// calls tries system calls that a container must not have.
func calls([]string) error {
	try := func(name string, nr uintptr, args ...uintptr) error {
		args = append(args, 0, 0, 0, 0, 0, 0)
		_, _, errno := unix.RawSyscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
		if errno != unix.ENOSYS {
			return fmt.Errorf("%s: %v", name, errno)
		}
		return nil
	}
	var all []error
	for _, flag := range []uintptr{unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP} {
		all = append(all, try(fmt.Sprintf("unshare %#x", flag), unix.SYS_UNSHARE, flag), try(fmt.Sprintf("clone %#x", flag), unix.SYS_CLONE, flag|uintptr(unix.SIGCHLD)))
	}
	for name, nr := range map[string]uintptr{"clone3": unix.SYS_CLONE3, "setns": unix.SYS_SETNS, "mount": unix.SYS_MOUNT, "umount2": unix.SYS_UMOUNT2,
		"pivot_root": unix.SYS_PIVOT_ROOT, "chroot": unix.SYS_CHROOT, "open_tree": unix.SYS_OPEN_TREE, "move_mount": unix.SYS_MOVE_MOUNT, "fsopen": unix.SYS_FSOPEN, "fsmount": unix.SYS_FSMOUNT,
		"mount_setattr": unix.SYS_MOUNT_SETATTR, "ptrace": unix.SYS_PTRACE, "process_vm_readv": unix.SYS_PROCESS_VM_READV, "pidfd_getfd": unix.SYS_PIDFD_GETFD, "keyctl": unix.SYS_KEYCTL,
		"add_key": unix.SYS_ADD_KEY, "bpf": unix.SYS_BPF, "perf_event_open": unix.SYS_PERF_EVENT_OPEN, "io_uring_setup": unix.SYS_IO_URING_SETUP, "kexec_load": unix.SYS_KEXEC_LOAD,
		"userfaultfd": unix.SYS_USERFAULTFD, "open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT, "name_to_handle_at": unix.SYS_NAME_TO_HANDLE_AT, "init_module": unix.SYS_INIT_MODULE,
		"finit_module": unix.SYS_FINIT_MODULE, "reboot": unix.SYS_REBOOT, "syslog": unix.SYS_SYSLOG, "settimeofday": unix.SYS_SETTIMEOFDAY, "sethostname": unix.SYS_SETHOSTNAME,
		"quotactl": unix.SYS_QUOTACTL, "fanotify_init": unix.SYS_FANOTIFY_INIT, "vmsplice": unix.SYS_VMSPLICE, "swapon": unix.SYS_SWAPON, "none at all": 4095} {
		all = append(all, try(name, nr))
	}
	for name, family := range map[string]uintptr{"vsock": unix.AF_VSOCK, "alg": unix.AF_ALG, "packet": unix.AF_PACKET} {
		all = append(all, try("socket "+name, unix.SYS_SOCKET, family, unix.SOCK_DGRAM))
	}
	all = append(all, try("personality", unix.SYS_PERSONALITY, 0x0040000))
	status, err := os.ReadFile("/proc/self/status")
	for _, line := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(string(status), line+"\n") {
			all = append(all, fmt.Errorf("no %q in %s", line, status))
		}
	}
	return errors.Join(append(all, err)...)
}

// leaveLinks leaves links that lead out, and files that block.
func leaveLinks(args []string) error {
	return errors.Join(os.Symlink(args[0], "/out/absolute"), os.Symlink("../../../../../../../.."+args[0], "/out/relative"), os.Symlink("..", "/out/up"),
		os.Symlink("/proc/self/root", "/out/root"), os.Symlink("loop", "/out/loop"), unix.Mkfifo("/out/fifo", 0o644), os.WriteFile("/out/file", []byte("mine"), 0),
		os.WriteFile("/build/other", nil, 0o644))
}

func chatter([]string) error {
	block := []byte(strings.Repeat("chatter\n", 1000))
	for {
		if _, err := os.Stdout.Write(block); err != nil {
			return err
		}
	}
}

// look tells of all files but those of processes, and of what its own process has open.
func look(secrets []string) error {
	for _, name := range secrets {
		for _, root := range []string{"", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/fd/0/.."} {
			if _, err := os.ReadFile(root + name); err == nil {
				return fmt.Errorf("read %s%s", root, name)
			}
		}
	}
	for _, name := range []string{"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/kallsyms", "/proc/kmsg"} {
		if text, err := os.ReadFile(name); err == nil && len(text) > 0 {
			return fmt.Errorf("read %s", name)
		}
	}
	_ = filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		if path == "/proc" || strings.HasPrefix(path, "/lib") || path == "/usr" {
			return fs.SkipDir
		}
		fmt.Println(path)
		return nil
	})
	fds, err := os.ReadDir("/proc/self/fd")
	for _, fd := range fds {
		to, _ := os.Readlink("/proc/self/fd/" + fd.Name())
		if to == "" {
			continue // the directory that is being read
		}
		fmt.Println("fd", strings.TrimRight(to, ":[]0123456789"))
	}
	pids, _ := filepath.Glob("/proc/[0-9]*")
	fmt.Println(pids)
	return err
}

// describe says what a run can see of its host, by line.
func describe([]string) error {
	var st unix.Statfs_t
	if err := unix.Statfs("/out", &st); err != nil {
		return err
	}
	for i := range 100 {
		if err := os.WriteFile(fmt.Sprintf("/tmp/%d", i), nil, 0o644); err != nil {
			return err
		}
	}
	tmp, err := os.Open("/tmp")
	if err != nil {
		return err
	}
	order, _ := tmp.Readdirnames(-1)
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	uids, _ := os.ReadFile("/proc/self/uid_map")
	online, _ := os.ReadFile("/sys/devices/system/cpu/online")
	host, _ := os.Hostname()
	var uts unix.Utsname
	_ = unix.Uname(&uts)
	cwd, _ := os.Getwd()
	umask := unix.Umask(0)
	var points []string
	for line := range strings.Lines(string(mounts)) {
		points = append(points, strings.Fields(line)[4])
	}
	slices.Sort(points)
	cgroup, _ := os.ReadFile("/proc/self/cgroup")
	fmt.Printf("varies: uid %s\nvaries: processors %d %s\nvaries: file system %x\nvaries: order %s\n", strings.Join(strings.Fields(string(uids)), " "),
		runtime.NumCPU(), strings.TrimSpace(string(online)), st.Type, strings.Join(order, " "))
	fmt.Printf("host %s %s cwd %s ids %d %d umask %o pid %d environment %q\nmounts %s\ncgroup %q\n", host, unix.ByteSliceToString(uts.Domainname[:]), cwd, os.Getuid(), os.Getgid(), umask, os.Getpid(), os.Environ(),
		strings.Join(points, " "), cgroup)
	return nil
}

// ordinary does what programs do: threads, children, pipes, locks, links, a server on the loopback device.
func ordinary([]string) error {
	if _, err := os.ReadFile("/etc/deep/file"); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	c.Close()
	for _, dir := range []string{"/out", "/build", "/tmp", "/dev/shm"} {
		name := dir + "/program"
		self, err := os.ReadFile(insideName)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, self, 0o755); err != nil {
			return err
		}
		if err := (&exec.Cmd{Path: name, Args: []string{insideName, "nothing"}}).Run(); err != nil {
			return err
		}
		if err := errors.Join(os.Link(name, name+"2"), os.Rename(name+"2", name+"3"), os.Symlink("program", name+"4"), os.Chmod(name, 0o700), unix.Mkfifo(dir+"/fifo", 0o600),
			os.Chtimes(name, time.Unix(1, 0), time.Unix(1, 0)), os.Chown(name, 0, 0)); err != nil {
			return err
		}
	}
	for _, name := range []string{"/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/full"} {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		f.Close()
	}
	return nil
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(callerVar); dir != "" {
		runForever(dir)
	}
	if os.Args[0] == insideName {
		if err := deeds[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
