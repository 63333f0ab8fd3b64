// Package trash is the one place that deletes from a store.
//
// Everything else renames what is no longer wanted into the store's trash directory, in constant
// time, and it is removed here: by whoever put it there, at once or as far as a share of time goes
// (package cmd/internal/leftover), else by the next gc or build. A test reads the sources of the
// packages around and fails when another one unlinks.
//
// What is removed may have been written by a hostile container: hundreds of thousands of levels
// deep, a million entries wide, with links that point out, immutable files, modes of 0000, a
// writer that is still alive in a namespace nobody saw. So every call names one entry of an open
// directory; nothing is resolved through more than one name; links are removed and never
// followed; a directory is hidden under a name with a dot and those in it are moved up into it,
// to be emptied one after another, so that memory and open files stay small whatever the depth;
// project ids are of no account; and a mount point stops the removal, because what is mounted
// there is not ours.
//
// A removal can be ended at any moment, by its context or a kill: what is left is hidden, and the
// next one goes on there. No work is done twice but the one entry that was being removed.
//
// Not promised: order, and an end while somebody keeps writing. One call to the kernel is not
// interrupted: a huge file takes as long as its file system needs for it. What could not be removed
// stays and is tried again by the next run.
package trash
