// Package oci is a container being created, as an OCI hook sees it at
// createRuntime: its mount namespace is there, its mounts are made, its process
// has not been started. Or one that is created and waits for its start, as a plugin of
// the runtime sees it: its process has pivoted into the container's root, too. The package reads what the runtime tells, finds where a
// client of the container keeps its cache, judges mount points and attaches.
//
// # Words
//
// State, bundle, root, process and annotation are runtime-spec's. [State] comes
// on the hook's stdin, [Spec] from the config.json of the bundle; neither reader
// looks at the container itself.
//
// A [Container] is a process held by a pidfd, a root held by a descriptor, and
// a thread of ours inside the container's mount namespace. A mount point is a directory
// in it that was resolved once, judged as an open directory, and is mounted on
// by descriptor.
//
// # Promises
//
//   - Reading is bounded in bytes, in time and in the number of names; a
//     document that two readers could understand differently (a name that occurs
//     twice, something after the end, not UTF-8, a byte order mark) is refused.
//   - No path of the container is followed out of its root: openat2 with
//     RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, and never a second time.
//   - No mount lands on the root itself, on the kernel's directories and file
//     systems, on or below a mount whose propagation is shared (it would appear
//     on the host and outlive the container), above another mount, on a volume
//     or on what Larder mounted before. What lands is read-only and noexec where
//     the volume below it is.
//   - A root that is the kernel's (/dev, /proc, /sys, whatever config.json says)
//     or a directory of the host's own is refused before anything is made in it.
//   - Nothing in the container is executed, and what is read is a regular file,
//     up to a limit.
//   - Either all mounts of [Container.Attach] are attached or none.
//   - Ids are asked of the kernel (uid_map), not of config.json.
//
// # Limits
//
// Of config.json only what Spec names is looked at. Hooks of other stages than
// createRuntime (attach) and poststop (release) are refused: at createContainer
// runc 1.1 passes the container's own environment, LD_PRELOAD included, and the
// pid is not the host's. Checkpoint and restore (CRIU) are not supported.
//
// A file system in the container that never answers (FUSE, NFS) holds the
// calling thread; the caller needs a deadline of its own. Directories are made
// on the container's own root, and in volumes that are empty or containers' only.
package oci
