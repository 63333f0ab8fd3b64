// Command larder-nri gives the containers of Kubernetes pods their snapshot. It is a plugin of the
// container runtime (NRI, the Node Resource Interface of containerd and CRI-O) and stays resident, so
// that an attach starts no process:
//
//	larder-nri [--store DIR] [--config FILE] [--required] [--socket FILE] [--index NN] [--bundles DIR] [--ready FILE] [--hook FILE]
//	larder-nri ready [--ready FILE]     exit 0: registered, and alive in the last ten seconds
//
// A pod asks by annotation, for all of its containers or for one; nobody gets anything unasked:
//
//	dev.larder.profile                  a profile of the operator's file whose
//	dev.larder.profile/container.NAME   namespaces have the pod's
//	dev.larder.lock, dev.larder.venv    as for larder-hook, if the profile says allow_container_lock
//
// # When
//
// The runtime tells of StartContainer when a container is created and waits for its start: its
// process is there, in its mount namespace and root, and has run nothing of the image's. It waits for
// the answer, so that is where the mounts are made: by a thread that enters the namespace, and ends
// after it. At RemoveContainer the instance is put away, behind the runtime's back. Between the two
// it stays, whatever becomes of the process.
//
// With --hook the plugin mounts nothing. It adds larder-hook to what the runtime is to run at
// createRuntime and poststop, with the profile that the pod may have: for runtimes that do not tell of
// a process at StartContainer (containerd 1.7).
//
// # Promises
//
//   - Best effort, as the hook: on any doubt nothing is attached, one line says why, and the container
//     starts. With --required every doubt about a pod that asks keeps its container from starting.
//   - An answer comes in three quarters of the runtime's time for it (2 s, unless it is told
//     otherwise): a plugin that takes longer is cut off, and pods start without it. What
//     is not mounted by then is not mounted later either.
//   - When the runtime restarts, the plugin registers again. It is registered when FILE (--ready) is
//     there and was touched in the last ten seconds, and then systemd is told, too.
//   - A plugin that is killed leaves no mount. What it can leave, a lease and an empty
//     instance, larder gc takes when the container's process has ended.
//   - Containers that run already when it starts are left as they are, with their leases.
//
// # Limits
//
// It has to see processes as the host does, and the store by the host's path: KUBERNETES.md says what
// that takes in a DaemonSet. What a container installed in its own files is not noted: its root is
// gone by the time it is removed. Pods whose plugin is dead start without it (what to do about that is
// in KUBERNETES.md, too).
package main
