// Package overlay mounts snapshots.
//
// # What it is
//
// A snapshot is a metadata-only EROFS image over a pool of objects. Two
// overlays make files of it:
//
//   - the tree (overlay 1): the image as the only lower, the pool as its
//     data-only layer, no upper. It can never be written, by anybody: its
//     superblock has no upper. One per snapshot and owner.
//   - a view (overlay 2), one per container and mount point: directories of
//     the tree as lowers, a fresh private upper.
//
// One overlay cannot do both: a data-only layer below several lowers answers
// EPERM for every file that is not in the lowest lower. Two are the most the
// kernel stacks, so nothing may be put on top of a view as a lower.
//
// What was at the mount point is the view's lowest lower. A mask above it, made
// of whiteouts, hides what it has of the projects that the tree's lowers hold
// (package overlay/attach), so that one project is never seen in two versions.
//
// # The words
//
// lower, upper, work are the kernel's. A mount point is where a view appears
// (the kernel calls it target; here a target is what a snapshot is stocked for). An instance is
// one container's writable part (package overlay/instance). A kept mount is an
// image or tree mounted below the run directory by `larder mount`, which every
// attach clones (package overlay/keep).
//
// # Plan and construction
//
// [View] is the plan: which lowers, in which order, with which name. It is
// checked by [View.Check] without a kernel. A [Construction] has the kernel make
// it: image, tree, view. There are three, one plan and one snapshot for all:
//
//   - descriptors: layers by descriptor, of mounts that are attached nowhere.
//     Kernels from 6.15.
//   - data-only: layers by name, in a mount namespace for one call; the pool is a
//     data-only lower of the tree, as above. Kernels from 6.5.
//   - ordinary: the same with the pool as an ordinary lower. Its 256 directories
//     are then at the tree's root, and [Construction.Show] hides them by a lower of
//     whiteouts. Kernels from 5.15.
//
// The last would do for every kernel that the second is for. They differ by one
// colon and by Show: measured on one kernel, kept trees and fresh ones cost both the
// same, and showing a tree 0.3 ms with a data-only pool, 2.5 ms with an ordinary
// one, whose whiteouts are made each time (0.04 ms by descriptor). That is worth a
// file of twenty lines. Views cost 0.3 to 0.5 ms more by name than by descriptor,
// for the namespace, and up to twice as much with hundreds of lowers.
//
// [Chosen] takes the first that works, by trying: numbers of versions say little
// about a kernel that a distribution patches. The first one does not look for what
// is remembered, so a new kernel pays nothing for the old ones.
//
// By name no list of lowers is cut: a name is an open descriptor's number, and 500
// of them fit into the page of options that mount(2) takes. What an old kernel has
// not is said by an error: an image by its file needs 6.12 (a loop device is made
// instead), and files that belong to another owner need idmapped EROFS (5.19). Before
// that a copy of the image is mounted with the owner written into it, from memory; it
// has no room for ids over 65535, so containers in user namespaces get nothing
// there, and are told why.
//
// Until [Attach] nothing appears in any mount table but that of a call's own
// namespace, so an error or a kill in the middle leaves nothing behind: the
// descriptors are all there is.
//
// # The promises
//
//   - No write through a view reaches the tree, the image or the pool.
//   - Nothing planted in an upper is followed: metacopy=off always, and
//     redirect_dir=nofollow (several distributions follow redirects unless told
//     not to) wherever anybody but the kernel can have written one. That is
//     everywhere but in a volatile view: its upper must be empty, is never
//     mounted again, and what is set through the view under such a name is
//     stored under another. There redirect_dir=on, so that moving a directory
//     of the lowers copies nothing. nosuid and nodev always.
//   - mountinfo shows no path of the host: upper, work, mask, pool and lowers are
//     opened below detached clones and print as /u, /w, /m, /objects, /l/…, or as
//     numbers.
//   - A view that the kernel silently made read-only is an error.
//   - A view is read-only and noexec where the volume below it is ([FlagsBelow]).
//   - An error carries the operation, what it was about, the errno, and what
//     the kernel itself said.
//
// # The limits
//
// 500 lowers; a mountinfo line of 32 KiB (readers such as Docker's fail at 64).
// A process with CAP_DAC_READ_SEARCH in the initial user namespace can open
// objects by handle, past every mount: the threat model says what helps.
// EROFS does not check data: a damaged object is served as it is.
//
// # Left to others
//
// Stores, leases, locks and snapshots' names are package snapshot's: this one
// takes paths and descriptors, and imports nothing of ours. Of the packages below,
// attach, run and those named after an ecosystem import snapshot's.
package overlay
