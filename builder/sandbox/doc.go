// Package sandbox runs one command that nobody trusts in a container, and hands over what it
// left in /out. The container is made by runc, or crun, by the specification of the Open
// Container Initiative.
//
// # What the command has
//
// Its own user, pid, mount, network, ipc, uts and cgroup namespaces; a network without any
// way out, or with one (see below); user 0, which is a high unused user of the host without a capability; a root that is
// read-only and holds what [Spec] names, /proc, a few devices and the number of processors. Writable
// are /out, /build, /tmp and /dev/shm, on one file system of a bounded size. Which system
// calls it may use is a list (seccomp.go): all others are answered as by a kernel that has not got them.
//
// # What it can reach
//
// Without [Spec.Serve] nothing but itself: its network is a new namespace with a loopback interface. With
// it, that and exactly one socket, which this program opened in there, at [ServeAddress], before the
// command began: connections to it are accepted here, by a thread that is in the host's network. No interface
// leads from the one network to the other, so whatever a command sends elsewhere is refused by the kernel, and no
// name is resolved. The caller decides what an answer may hold; that bytes go out this way is as
// true as that they come in.
//
// # How it ends
//
// The command's end is the end of all that it started. So is a limit ([Limits]), the end of the context
// and the end of this program, however it ends: the container's processes are in a pid namespace whose
// first process is our own, the keeper, which the kernel kills with us. What is mounted is mounted
// in a mount namespace that only the container and one thread of ours are in, and ends with them. A file
// system in a file is on a file without a name. What a killed program does leave is empty
// control groups, whose names say for which scratch directory: the next [Open] of that removes them, and
// any other once they are an hour old.
//
// # Two runs of one specification
//
// They see the same paths, names and limits. Spec.Vary changes what should not matter: user and
// group on the host, the number of processors, and the file system below /out, /build and /tmp,
// which is tmpfs in one run and ext4 in the other. They list a directory in different orders, which
// is what a result most often depends on. An overlay needs no loop device, but passes on the order of what
// it lies on.
//
// # Where control groups cannot be had
//
// Memory and processes are limited by control groups, version 1 or 2, at the root of their
// hierarchies. Where those cannot be had (in a container that may not write to them), the memory that
// processes occupy and their number are looked at twenty times a second, and behind that stand the
// limits of a process: address space, never below 2 GiB, as runtimes need that much; processes of the
// container's user; the size of a file. A flood may then go beyond its limit for a moment.
package sandbox
