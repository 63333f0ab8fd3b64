// Package image writes and reads the image of a snapshot: a metadata-only EROFS file system.
//
// The image holds names, modes, sizes, times and links. A file's bytes are an object of the pool;
// the image says which, in the two extended attributes overlayfs knows from composefs
// (trusted.overlay.metacopy, and trusted.overlay.redirect=/ab/cdef…). Mounted as the one lower of
// an overlay whose data-only layer is objects/, it is a normal read-only tree. An empty file has
// neither attribute, and no object.
//
// A Tree is what goes in. Write makes the same bytes from the same tree, whatever the order it
// was filled in, the machine, the umask or the time of day: modes are 0644, 0755 for executables
// and directories, owner and group 0, directories and links have one fixed time, files the time
// they were given. The id of a snapshot is the digest of these bytes.
//
// An Image reads one back without mounting it: an fs.FS whose files come from the pool, Walk for
// everything that looks at all of it, the next build among them. Bytes that are not an
// image give an error that wraps snapshot.ErrDamaged, not a panic; that the bytes are the right
// ones is what the id is for.
//
// The EROFS format itself is github.com/erofs/go-erofs, which is before its 1.0. Of what handles
// snapshots only this package uses it (overlay/probe writes a small image of its own to mount).
// Package snapshot does not import this one, so that the hook, which only mounts, does not link it.
package image
