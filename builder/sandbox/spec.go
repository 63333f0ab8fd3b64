package sandbox

import (
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Where things are in the mount namespace of a run. It is our own and a copy of the host's, where /tmp
// is covered: a directory that is everywhere, that any user can reach, and where no program lives.
const (
	roomDir     = "/tmp"
	rootDir     = roomDir + "/root"
	spaceDir    = roomDir + "/space"
	bundleDir   = roomDir + "/bundle"
	stateDir    = roomDir + "/state"
	pidFile     = roomDir + "/pid"
	runtimeLog  = roomDir + "/runtime.log"
	networkFile = roomDir + "/network"
)

// hostname is the container's, whatever the host's.
const hostname = "sandbox"

// firstUID is the host's user and group of the first variant. systemd's list of ranges (Users,
// Groups, UIDs and GIDs on systemd Systems) has it behind those for containers, and unused.
const firstUID = 0x70000000

// variant is what two runs of one specification differ in.
type variant struct {
	uid        uint32 // and gid, on the host
	processors int
	ext4       bool
}

// newVariant is variant vary on a host with so many processors. With one processor there is nothing
// to vary in their number.
func newVariant(vary, processors int) variant {
	if vary == 0 {
		return variant{firstUID, processors, false}
	}
	return variant{firstUID + 0x10000*uint32(vary), max(1, processors/2), true}
}

// config is the runtime's: group is the container's control group.
func config(s Spec, v variant, cpus string, g groups, group string) *specs.Spec {
	umask := uint32(0o022)
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: v.uid, Size: 1}}
	oomScore := 1000 // the first to go where the host itself lacks memory
	return &specs.Spec{
		Version:  "1.0.2",
		Hostname: hostname,
		Root:     &specs.Root{Path: rootDir, Readonly: true},
		Process: &specs.Process{
			Args: s.Args, Env: withHome(s.Env), Cwd: s.Dir,
			User:            specs.User{Umask: &umask},
			Capabilities:    &specs.LinuxCapabilities{},
			NoNewPrivileges: true,
			OOMScoreAdj:     &oomScore,
			Rlimits:         rlimits(s.Limits, g),
		},
		Mounts: mounts(),
		Linux: &specs.Linux{
			UIDMappings: ids, GIDMappings: ids,
			Namespaces: []specs.LinuxNamespace{{Type: specs.UserNamespace}, {Type: specs.PIDNamespace}, {Type: specs.MountNamespace},
				networkOf(s), {Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.CgroupNamespace}},
			CgroupsPath: g.path(group),
			Resources:   g.resources(s.Limits, v, cpus),
			Seccomp:     profile(),
			// What tells of the host, or acts on it.
			MaskedPaths: []string{"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
				"/proc/sched_debug", "/proc/scsi", "/proc/interrupts", "/proc/kallsyms", "/proc/kmsg", "/proc/modules", "/proc/config.gz"},
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
}

// mounts are those that only the runtime can make, or insists on making. It makes no devices of its
// own choice where /dev is one of them.
func mounts() []specs.Mount {
	all := []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}}
	bind := func(to, from string) {
		all = append(all, specs.Mount{Destination: to, Type: "bind", Source: from, Options: []string{"bind"}})
	}
	bind("/dev", rootDir+"/dev")
	bind("/dev/shm", spaceDir+"/shm")
	for _, name := range devices {
		bind("/dev/"+name, "/dev/"+name)
	}
	return all
}

// withHome adds the home directory that a runtime would choose, each its own.
func withHome(env []string) []string {
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "HOME=") }) {
		return env
	}
	return append(slices.Clip(env), "HOME=/")
}

// rlimits are a process's limits: of all hosts the same.
func rlimits(l Limits, g groups) []specs.POSIXRlimit {
	limit := func(kind string, n uint64) specs.POSIXRlimit {
		return specs.POSIXRlimit{Type: kind, Soft: n, Hard: n}
	}
	// A limit of 1 byte is the one by which no program of the host is started for a crash: core(5).
	all := []specs.POSIXRlimit{limit("RLIMIT_CORE", 1), {Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 4096}, limit("RLIMIT_MEMLOCK", 1<<16)}
	if !g.processes {
		all = append(all, limit("RLIMIT_NPROC", uint64(l.Processes)))
	}
	if !g.memory {
		// Runtimes and languages reserve address space that they never use; what is used is looked at.
		all = append(all, limit("RLIMIT_AS", uint64(max(l.Memory, 2<<30))), limit("RLIMIT_FSIZE", uint64(l.Output)))
	}
	return all
}

// online is the kernel's list of processors that the container's number stands in: where the C library
// and others look for it.
func online(processors int) []byte {
	if processors == 1 {
		return []byte("0\n")
	}
	return []byte("0-" + strconv.Itoa(processors-1) + "\n")
}
