// Command torture spoils what larder does, and looks at what is left.
//
//	torture [-kills N] [-errnos N] [-cuts N] [-damages N] [-seed N] [-case TEXT] [-bin DIR]
//
// Each number is how many cases of a campaign are played; they are drawn from all there are, by
// the seed, and spread over the commands. A case begins with a small real store, made by larder
// from an index on the loopback, and has a name that says what is done, to be played alone with
// -case. The campaigns:
//
//	kill    a command and all it started, or it alone, dies at a chosen system call
//	errno   one system call of a command fails, or all of its class from then on
//	cut     the power goes: a disk that keeps a part of what was written since its last flush
//	damage  a file of the store is not what it was when a command meets it
//
// A case is bad when what the store promises (package snapshot) does not hold afterwards: see
// check.go, or judge.go for damage. Bad cases are printed, and the exit status is 1.
//
// It needs root, and a mount namespace of its own, which it makes. Only x86-64: see inject.
//
// The program runs itself as its helpers: inside is the campaigns in their namespaces, inject
// follows a command and spoils a system call, filtered becomes that command, and logdisk is the
// disk whose power goes.
package main
