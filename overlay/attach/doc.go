// Package attach gives a command or a container what it gets of a snapshot. `larder run` and the
// hook share it: they differ in their [Namespace], which says where mount points are and whose, and in
// nothing else.
//
//	[Hold]    a lease on a snapshot, and an instance for what is written
//	[Session] the clients' caches, the read-only view, and a lock's environment
//
// # The promises
//
//   - A tree is opened once for each owner. The read-only view is the first cache's owner's.
//   - Where the kernel finds a stack too deep, the ways out are tried in this order: an image that is
//     not file-backed; for a cache, without what was at the mount point; for an environment, a new
//     one of the command's own, where there can be one.
//   - A project of the lock's is never seen in two versions: what the environment has of it itself
//     is hidden by a mask. Where that cannot be, it is said, or with Required an error.
//   - An environment that a container is to have, and has not, is made of the container's own files. They
//     are looked at, never run; what is made lies in the instance, below the lock's layers.
//   - An environment that is the locks' alone hides what is at its place, which a command need not have: what was
//     made for it is removed again. It is mounted whole, as a build merged it or as the first session of the lock
//     sealed it (snapshot/private), or refused. Others are sealed where they have more layers than the kernel stacks.
//   - One that goes to several directories is one view with one upper, and its parts are mounted: all or none, but
//     where a directory is not there. No link is followed on the way to a further part.
//   - What was built from sources is looked at as far as Session.Built says, in caches and in environments.
//   - A kept instance goes on with the lowers, the mask and the installer that it was made with.
package attach
