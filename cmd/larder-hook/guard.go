package main

import (
	"os"
	"sync/atomic"
)

// verdict is the status that the hook has decided on, and 1; 0 while it has not.
//
// Go's runtime ends a process with status 2 when it cannot create a thread, before anything of
// ours runs or at any time later, and no Go code can stop it. A container runtime takes that for
// a no, and the container does not start. So the program has an entry of its own where the
// Makefile names one (the linker's -E; guard_amd64.s): before Go begins it clones itself. The child
// is the hook. The parent sleeps, has nothing but that one file of assembly to run, and turns
// every end without a verdict (no thread, a panic, a signal, or no child at all) into what the
// operator asked for: 0, or 1 with --required. The two share their memory as after a vfork, so it
// costs nothing that can be measured.
//
// The limit: the kernel's OOM killer ends both.
var verdict int32

// end ends the process with a status that is the hook's own.
func end(status int) {
	atomic.StoreInt32(&verdict, int32(status)+1) // for the parent to read
	os.Exit(status)
}
