// Package gc frees what nobody holds: containers that died without a release, snapshots that are
// neither kept nor in use, and objects no snapshot names.
//
// A snapshot goes when it is not current, not among the newest that are kept, old enough, when no
// lease names it, and when the kernel grants a write lease (F_SETLEASE) on its image: it refuses
// one while any mount, detached or in another namespace included, any open file below one, any
// mapping or loop device still needs it. The snapshot is taken out of sight first and leases are
// read again after, so that a lease written in between is seen; only then does it go to the trash.
//
// What a dead container left goes when its instance's lock is free and Options.Mounted says that
// no mount needs its uppers any more: a process that it left behind may still write there.
//
// Whatever cannot be proven is kept and reported: a lease that cannot be read holds every
// snapshot, one whose published.json cannot be read may be of any age, without current none is
// removed, and while one snapshot's image is damaged no object is swept, since nobody knows
// which ones it needs.
//
// gc takes the writer lock, so it never meets a build; with Leftovers, which is for every hour, it
// empties the trash beside one and leaves the rest for the next time. It may be killed at any point: the next
// build or gc finishes what it began.
package gc
