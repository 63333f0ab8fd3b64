package main

import (
	"encoding/json"
	"os"

	"golang.org/x/sys/unix"

	"larder/overlay/oci"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// look notes in a released instance what its container has installed in its own files: an index that
// lets nobody keep its answers leaves no other trace. The container has ended, so nothing of it changes
// any more; its root is still mounted, as the runtime unmounts it after this. Whatever goes wrong, or
// is over by now, nothing is noted: it is for counting, and release is done.
func (j *job) look(instance *os.File, note snapshot.Attached, state oci.State) {
	spec, err := oci.ReadSpec(state.Bundle)
	if err != nil {
		return
	}
	rootfs, err := state.RootFS(spec)
	if err != nil {
		return
	}
	fd, err := unix.Open(rootfs, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	root := os.NewFile(uintptr(fd), rootfs)
	defer root.Close()
	var found []ecosystem.Present
	for _, e := range ecosystem.All() {
		if e.Environments != nil {
			found = append(found, e.Environments.Installed(root, spec.Cwd, spec.Getenv, note.Time)...)
		}
	}
	b, err := json.Marshal(found)
	if err != nil || len(found) == 0 {
		return
	}
	fd, err = unix.Openat(int(instance.Fd()), ecosystem.PresentName, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), ecosystem.PresentName)
	defer f.Close()
	_, _ = f.Write(b)
}
