package overlay

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// OnThread calls f on a thread of its own that ends with it. Mount namespaces,
// working directories and file-system ids are a thread's; none of them can be
// given back, so the thread never runs anything else.
func OnThread(f func() error) error {
	done := make(chan error, 1)
	var start func()
	start = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The first thread cannot end, and is what /proc/self shows.
			// While we hold it, the next goroutine must get another.
			again := make(chan struct{})
			go func() { defer close(again); start() }()
			<-again
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}
	go start()
	return <-done
}
