// Package gc frees what nobody holds: containers that died without a release, snapshots that are
// neither kept nor in use, and objects no snapshot names.
//
// # When a snapshot goes
//
// It is not current, not among the newest that are kept, old enough, not previous (which stays
// unless only one is to be kept), and proven to be of no use to anybody: no lease names it, its kept mounts are gone, and the kernel grants a write lease
// (F_SETLEASE of fcntl(2)) on its image. It refuses one while any mount, detached, lazily
// unmounted or in another namespace included, any open file or directory below one, any mapping or
// loop device still needs the image, and while anybody has it open. No other proof counts: mount
// tables and /proc do not know all mounts. They name who it is, where they can, when a snapshot stays.
//
//	lease granted     nobody needs the image; whoever opens it from here on waits
//	renamed           out of sight: nobody finds it from here on
//	unlocked          the lease is given back; it was held for that one rename
//	looked again      leases, and the kernel: whoever came before the rename is seen, and the
//	                  snapshot put back
//	deleted           by way of the trash, durably; then the objects that only it had
//
// An attach writes its lease before it looks whether its snapshot is there, so one of the two sees
// the other; in the moment before a snapshot is put back, it waits. Both may be killed anywhere.
//
// Where the kernel grants no leases (a file system without them, such as NFS, FUSE or 9p on some
// kernels, or fs.leases-enable=0) nothing is proven and every old snapshot is kept, and says why:
// a disk that fills is seen in time, a library that vanishes below a running process is not.
//
// # Private images
//
// A snapshot's private images are asked for together with its own, and go with it. Of a snapshot that stays
// those go that nobody has used for two weeks ([Unused]), by the same proof: first out of sight, under a name
// that nobody looks for, then, when still nobody needs them, away. One that is in use by then stays until
// it is not. What a killed run left of one goes when nobody has it locked.
//
// # What a dead container left
//
// A container that its engine can start again is not dead: what it wrote, and its snapshot, stay until
// the engine's own directory of it is gone from where it was (snapshot.EngineRecord). What a dead one left
// goes when its instance's lock is free and Options.Mounted says that no mount needs its uppers
// any more: a process that it left behind may still write there. The kernel is asked once for each
// upper, a millisecond or so. What a container leaves, a million files or ten thousand levels, costs
// time and no memory; a gc that is killed at it has done what it has done.
//
// Whatever cannot be proven is kept and reported: a lease that cannot be read holds every
// snapshot, one whose published.json cannot be read may be of any age, without current none is
// removed, and while one snapshot's image is damaged no object is swept, since nobody knows
// which ones it needs.
//
// gc takes the writer lock, so it never meets a build; with Leftovers, which is for every hour, it
// empties the trash beside one and leaves the rest for the next time. It may be killed at any point:
// the next build or gc finishes what it began.
package gc
