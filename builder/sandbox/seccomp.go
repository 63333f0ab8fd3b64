package sandbox

import (
	"runtime"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// allowed are the system calls of programs that read, compute, start others and write. What is left out
// makes namespaces and mounts (unshare, setns, clone3, mount, pivot_root…), looks into other
// processes (ptrace, process_vm_readv, kcmp, pidfd_getfd), reaches what no namespace divides (keyctl,
// bpf, perf_event_open, kexec_load, quotactl, syslog, the clocks) or had many faults for little use here
// (io_uring, userfaultfd, vmsplice, open_by_handle_at). Old names are those of older architectures.
var allowed = strings.Fields(`
	access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64 fadvise64_64
	arm_fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
	fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64
	getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch ioctl lchown lchown32 lgetxattr link linkat listxattr
	llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat newfstatat _newselect open openat openat2
	pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv removexattr rename renameat
	renameat2 rmdir sendfile sendfile64 setxattr splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range
	sync_file_range2 syncfs truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes write writev

	brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap msync munlock munlockall munmap
	pkey_alloc pkey_free pkey_mprotect

	arch_prctl set_tls execve execveat exit exit_group fork getpgid getpgrp getpid getppid getpriority getrlimit getrusage
	getsid gettid get_robust_list get_thread_area ioprio_get ioprio_set landlock_add_rule landlock_create_ruleset landlock_restrict_self
	pidfd_open pidfd_send_signal prctl prlimit64 riscv_flush_icache rseq sched_getaffinity sched_getattr sched_getparam sched_get_priority_max
	sched_get_priority_min sched_getscheduler sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler
	sched_yield seccomp setpgid setpriority setrlimit set_robust_list setsid set_thread_area set_tid_address swapcontext sysinfo times
	ugetrlimit uname vfork wait4 waitid waitpid getcpu

	alarm clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 futex futex_time64
	futex_waitv getitimer gettimeofday kill nanosleep pause restart_syscall rt_sigaction rt_sigpending rt_sigprocmask
	rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo setitimer sigaction sigaltstack
	signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend tgkill time timer_create timer_delete timer_getoverrun
	timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
	timerfd_settime64 tkill

	capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid
	getresuid32 getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32
	setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32

	accept accept4 bind connect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
	eventfd eventfd2 getpeername getrandom getsockname getsockopt listen poll ppoll ppoll_time64 pselect6 pselect6_time64 recv
	recvfrom recvmmsg recvmmsg_time64 recvmsg select send sendmmsg sendmsg sendto setsockopt shutdown socketpair

	mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget
	msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`)

// namespaces are the flags of clone that make a new namespace. That of a time namespace is clone3's only.
const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// architectures are those whose system calls have the arguments that the profile looks at. Calls of
// another architecture (32-bit ones on a 64-bit host) end the process.
var architectures = map[string]specs.Arch{
	"amd64": specs.ArchX86_64, "arm64": specs.ArchAARCH64, "riscv64": specs.ArchRISCV64,
	"ppc64le": specs.ArchPPC64LE, "loong64": specs.ArchLOONGARCH64, "s390x": specs.ArchS390X,
}

// profile allows what is allowed and answers the rest with ENOSYS: programs know what to do on
// a kernel that lacks a call, and the C library then starts threads by clone, whose flags can be looked at.
func profile() *specs.LinuxSeccomp {
	none := uint(unix.ENOSYS)
	flags := uint(0)
	if runtime.GOARCH == "s390x" {
		flags = 1 // clone(2): the first two are the other way round
	}
	call := func(name string, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
		return specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: args}
	}
	all := []specs.LinuxSyscall{
		{Names: allowed, Action: specs.ActAllow},
		call("clone", specs.LinuxSeccompArg{Index: flags, Value: namespaces, Op: specs.OpMaskedEqual}),
	}
	// Others lead to devices and to the host of a virtual machine, and no namespace divides them.
	for _, family := range []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK} {
		all = append(all, call("socket", specs.LinuxSeccompArg{Value: family, Op: specs.OpEqualTo}))
	}
	// Linux, Linux of 32 bits, and the question which it is.
	for _, kind := range []uint64{0, 8, 0xffffffff} {
		all = append(all, call("personality", specs.LinuxSeccompArg{Value: kind, Op: specs.OpEqualTo}))
	}
	return &specs.LinuxSeccomp{DefaultAction: specs.ActErrno, DefaultErrnoRet: &none,
		Architectures: []specs.Arch{architectures[runtime.GOARCH]}, Syscalls: all}
}
