package overlay

import "os"

// Construction is one way to have the kernel make what a plan needs. Every mount it takes and
// returns is detached: nothing of it is in a mount table of the host or of a container before
// [Attach]. A mount is lent to a call: nobody else may use it meanwhile.
type Construction interface {
	// Name is for people, and for what is remembered.
	Name() string
	// OpenImage mounts the EROFS image at path read-only. The path's last component must not be a
	// symbolic link.
	OpenImage(path string, want Backing) (Image, error)
	// OpenTree makes a snapshot's tree: overlay 1, read-only, of the image over the pool's directory
	// objects. The image stays the caller's. The files of the tree belong to owner.
	OpenTree(image Image, objects string, owner Owner) (*os.File, error)
	// Clone copies a detached mount, not what is mounted below it.
	Clone(m *os.File) (*os.File, error)
	// Show makes the mount that shows all of a tree to a container, and nothing of the pool. A label
	// ([View].Label) is that of all its files; "" leaves them those of the tree.
	Show(tree *os.File, label string) (*os.File, error)
	// NewView makes a view: overlay 2, writable unless its flags say otherwise. The instance's u and
	// w must be there, fresh or left by the same plan; package overlay/instance sees to that.
	NewView(v View) (*os.File, error)
	// Parts makes detached mounts of directories of a detached mount: of the same file system, whose writes are
	// one another's. The mount stays the caller's.
	Parts(m *os.File, dirs []string) ([]*os.File, error)
	// UpperInUse says whether an overlay has the directory as its upper: one that is mounted, in
	// whatever namespace, or that only an open file or a working directory still holds. What cannot
	// be found out is an error.
	UpperInUse(dir string) (bool, error)
}

// Constructions are all there are, in the order in which they are tried: the one that makes least
// comes first.
func Constructions() []Construction {
	return []Construction{descriptors{}, dataOnly{}, ordinary{}}
}

// images opens images, which all constructions do alike.
type images struct{}

// Image is a mount of a snapshot's image.
type Image struct {
	*os.File
	Path    string // of the image's file
	Backing Backing
}
