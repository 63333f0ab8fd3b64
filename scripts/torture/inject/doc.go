// Command inject runs a command and spoils one of its system calls.
//
//	inject -root DIR [-log FILE] [-class CLASS [-nth N] -do ACTION [-persist]] -- COMMAND [ARG...]
//
// It follows the whole process tree, every thread. A call belongs to a class: its name and the
// paths it is about, with digests and numbers made equal ("renameat store/staging/# -> store/objects/##/#").
// Without -class every call is let through, and -log gets the class of each. With it the
// N-th call of that class suffers ACTION, and -log gets the class when that happened:
//
//	kill, kill-after          the whole tree dies before or after the call
//	kill-one, kill-one-after  only the calling process does, its children live on
//	EIO, ENOSPC, …            the call is not made, and returns this error; with -persist
//	                          every later one of its class too
//
// Counted are the calls of larder and larder-hook on files and mounts, wherever those are, and
// what other programs of the tree do below DIR. The exit status is the command's, 128 and the
// signal if it was killed, 99 for a fault of inject's own.
//
// It stops a call where seccomp says so (SECCOMP_RET_TRACE) and traces by ptrace, so the program
// under test needs no preparation. Only x86-64, whose registers it sets.
package main
