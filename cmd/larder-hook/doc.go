// Command larder-hook gives a container its snapshot. It is an OCI hook, in
// two halves:
//
//	larder-hook attach [--profile NAME] [--required] [--store DIR] [--config FILE] [--log FILE]     at createRuntime
//	larder-hook release [--store DIR] [--config FILE] [--log FILE]                                  at poststop
//
// attach reads the container's state from stdin, takes a lease on a snapshot,
// makes an instance, builds the mounts detached, enters the container's mount
// namespace and attaches them there. release renames the instance into the
// store's trash and drops the lease, once the container's process has ended. Ids
// are unique in one root of a runtime only, so a lease is named by id and bundle.
// What a container wrote that Docker or Podman can start again stays as it is
// until that has removed it, which gc finds out (not with --rm, and not with a
// profile that says restart = "reset"). Then it notes what the container had to download and removes the instance, for 25 ms
// at most: gc goes on with the rest. It does not rank, and links of package
// popularity what reads an upper, 160 kB.
//
// What a container gets is its profile's business (package config). A container
// chooses only what the operator allows, by annotation:
//
//	dev.larder.profile   another profile, if that one is requestable
//	dev.larder.lock      a lock file in the container,   } if the profile says
//	dev.larder.venv      and the virtual environment     } allow_container_lock
//
// Where the environment's directory is missing or empty, one is made for an interpreter of the container's,
// which the hook finds by name and never runs. What is made on the way belongs to the container's user.
//
// # Promises
//
// The default is best effort: on any doubt nothing is attached there,
// one line says why, and the container starts (exit 0). That includes a
// configuration that cannot be read: one typing error must not stop every
// container of a host. With --required every doubt is exit 1. Only arguments
// that make no sense are exit 2. A hook that crashes is a doubt too, also one
// for which the host has no process or thread left (guard.go; on amd64 only,
// elsewhere Go's runtime ends with 2 for want of a thread).
//
// Nothing is added to the host's mount table, and a failure or a kill at any
// point leaves no mount; what it can leave, a lease and an empty instance, the
// next larder gc takes away. After ten seconds it gives up by itself, before a
// runtime's timeout would kill it.
//
// It is static, links no network code, runs nothing, leaves the working
// directory at once, and takes nothing from its environment but LARDER_STORE:
// runc 1.1 hands the container's own environment to hooks of another stage.
//
// # Limits
//
// createRuntime and poststop only; kernel 5.15 or later; not rootless; not
// with checkpoint and restore. release is told of nothing but an id and a bundle, and
// always exits 0: runtimes ignore its failure, and gc does what it could not.
//
// What it has to say goes to stderr when something was left out, and always to
// the system log, or to the file --log names: runc shows the stderr of a hook
// that failed, and crun none at all.
package main
