// Package snapshot keeps the store: content-addressed files, and the sealed trees made of them.
//
// The words: an object is the bytes of one file, named by their SHA-256; the pool is all objects.
// A snapshot is a sealed tree over the pool; its id is the SHA-256 of its image. A stage is a
// build in progress, writable and private. To publish makes a stage a snapshot; to release lets
// one go (a lease ends); gc deletes what nobody holds.
//
// A store on disk, version 1:
//
//	store.json                marker and format; without it this is no store
//	objects/                  ab/cdef…, or ab/cdef….x when executable: 0444 or 0555, fixed times
//	snapshots/                one directory each, named by the id
//	snapshots/<id>/image.erofs
//	snapshots/<id>/published.json   sequence number and time: order, but not part of the id
//	snapshots/<id>/bad.json         only where it is not attached any more: why
//	snapshots/<id>/private/<digest>/image.erofs, sealed.json   environments that no build merged; made by the first
//	current                   -> snapshots/<id>, the one link that decides
//	current.json              what was current before, and whether current is held; made by the first switch
//	leases/                   <hash of the container>.json: who uses what
//	instances/                <hash>/: the writable part of a container
//	staging/                  what is being built; holder.json says by whom
//	trash/                    what is being deleted; its entries' names are only unique
//	misses/                   names of what containers had to download
//	rankings/                 last good answers of ranking addresses, made when there is one
//	history.jsonl             one line a build; made by the first
//	checked                   what the last build knows of objects' files, not to read them all; made by build
//	usage/                    what was used and downloaded, by week; made by the first use
//	denied.json               what was revoked; made by the first
//	recipes/                  <digest>.json: how artifacts were built from sources, or why not; made by the first.
//	                          They are never removed (1 to 2 kB each)
//	firsts/                   <ecosystem>.jsonl: what names of an index first meant, a line each; made by the first. Lines
//	                          are only ever added
//	pages/                    what the index said, to ask only what changed; made by build
//
// The promises:
//
//   - current names a complete snapshot at every instant, through kill -9 and power loss. What
//     Publish acknowledged is still there afterwards. Whatever a killed process leaves is in
//     staging/ or trash/, or is a hidden file that nobody has locked beside the one it was to
//     replace, and goes with the next build or gc; nothing needs repair by hand.
//   - previous is what was current before, also when a switch is killed half-way. While current is
//     held, only Hold switches it.
//   - A published snapshot never changes. An object's file holds the bytes its name says, or it
//     is not there: content is hashed as it is written and gets its final name after it is on disk.
//   - A private image is beside the snapshot whose objects it names and goes with it, is whole under its name,
//     and never changes. One that is not used for two weeks goes alone (snapshot/gc).
//   - A snapshot that is marked bad is attached to nothing new (Usable). Its image stays as it is.
//   - The same content has the same id. Time, order and machine leave no trace in an image.
//   - One writer at a time (build, gc, use); readers take no lock and never wait.
//   - A container's id never becomes a path: file names are its hash.
//   - Nobody but root and the store's owner can exchange it: every directory above is one of
//     theirs, which is checked at every opening. What deletes or takes out of sight makes sure that
//     the directory is the one that was checked, and works below its descriptor.
//
// A lease ends with its process, or, a kept instance's, with the directory, missed from the very
// parent that held it. What cannot be read is in use; only a file that was read whole and is
// empty or zeros, from before this boot, is what a power cut tore.
//
// The limits: durability is what the file system gives to fsync, syncfs and rename, as ext4, XFS
// and btrfs give it. It is for one host: no locks over a network file system. Damage by disk or by root is
// found by snapshot/check, not by reading: the kernel serves what is in an object. A publish looks at
// the bytes of what it writes again and of the image it finds, and replaces what is damaged; of other
// objects Stage.Has tells size and mode, Stage.Check reads them, and Stage.Reuse reads those that may have
// changed, and the others in turn. An artifact kept by an
// interrupted build is not yet in a snapshot, so a gc in between takes it.
//
// Left to others: what an image is (snapshot/image), what is in a private one (snapshot/private), what to delete (snapshot/gc), how to delete (snapshot/trash, the only code that
// unlinks), mounting (package overlay).
package snapshot
