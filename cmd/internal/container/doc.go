// Package container gives one container its snapshot, and takes it back: what larder-hook and larder-nri
// have in common. They differ in who tells them of a container, when, and in what becomes of the
// process afterwards.
//
//	[Attach]   the mounts of a profile for a container that package oci has entered
//	[Record]   what became of it, in one line for an operator, and how to undo it
//	Release    lets go of a container that has ended, in constant time
//
// # Promises
//
//   - Everything is made detached first, and attached at once or not at all.
//   - A container that has an attach, or whose id has a lease of a process that lives, gets no second one.
//   - What a container asks for itself (a lock, an environment) its profile has to allow.
package container
