// Package container is a container being created, seen from the host's side at
// createRuntime: its mount namespace is there, its mounts are made, its process
// has not been started.
//
// A [Container] is a process held by a pidfd, a root held by a descriptor, and
// a thread of ours inside the container's mount namespace. A mount point is a directory
// in it that was resolved once, judged as an open directory, and is mounted on
// by descriptor.
//
// # The promises
//
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
// # The limits
//
// A file system in the container that never answers (FUSE, NFS) holds the
// calling thread; the caller needs a deadline of its own. Directories are made
// on the container's own root only, not in volumes.
package container
