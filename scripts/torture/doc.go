// Command torture spoils what larder does, and looks at what is left.
//
//	torture [-kills N] [-points N] [-times N] [-errnos N] [-sites N] [-hosts N] [-cuts N] [-damages N]
//	        [-seed N] [-case TEXT] [-jobs N] [-soak TIME] [-bin DIR]
//
// Each number is how many cases of a campaign are played (once: one of each group; all); they are
// drawn from all there are, by the seed, and spread over the groups. A case begins with a small
// real store, made by larder from an index on the loopback, and has a name that says what is done,
// to be played alone with -case. The campaigns:
//
//	kill    a command and all it started, or it alone, dies at a chosen system call
//	point   it dies at a step that it names (package failpoint)
//	time    it dies, with all it started, at some time of its life
//	errno   one system call of a command fails as it may on a host, or all of its class from then on
//	site    each distinct call, whichever command makes it, fails with EIO, ENOSPC, EROFS, EINTR or EMFILE
//	host    no room, no inodes, a read-only disk, few open files, a clock that was set
//	cut     the power goes: a disk that keeps a part of what was written since its last flush
//	damage  a file of the store is not what it was when a command meets it
//
// A site is a call and the paths it is about, with what chance has in them made equal. With -jobs
// the cases are shared among processes. With -soak other rounds follow, each with the next seed,
// until the time is over.
//
// A case is bad when what the store promises (package snapshot) does not hold afterwards: see
// check.go, or judge.go for damage. Bad cases are printed, and the exit status is 1.
//
// It needs root, runc or crun, a mount namespace of its own, which it makes, and programs that were built with
// the tag failpoint. Only x86-64: see inject.
//
// The program runs itself as its helpers: inside is the campaigns in their namespaces, inject
// follows a command and spoils a system call, filtered becomes that command, and logdisk is the
// disk whose power goes.
package main
