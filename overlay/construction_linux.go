package overlay

import "os"

// Construction is one way to have the kernel make what a plan needs. Every mount it returns is
// detached: nothing of it is in a mount table of the host or of a container before [Attach].
type Construction interface {
	// OpenImage mounts the EROFS image at path read-only. The path's last component must not be a
	// symbolic link.
	OpenImage(path string, want Backing) (Image, error)
	// OpenTree makes a snapshot's tree: overlay 1, read-only, of the image over the pool's directory
	// objects. The image stays the caller's. The files of the tree belong to owner.
	OpenTree(image Image, objects string, owner Owner) (*os.File, error)
	// NewView makes a view: overlay 2, writable unless its flags say otherwise. The instance's u and
	// w must be there, fresh or left by the same plan; package overlay/instance sees to that.
	NewView(v View) (*os.File, error)
	// UpperInUse says whether an overlay has the directory as its upper: one that is mounted, in
	// whatever namespace, or that only an open file or a working directory still holds. What cannot
	// be found out is an error.
	UpperInUse(dir string) (bool, error)
}

// Chosen is the construction for this host.
func Chosen() Construction { return descriptors{} }

// descriptors is the construction with file descriptors, in kernels from 6.15.
type descriptors struct{}

// Image is a mount of a snapshot's image.
type Image struct {
	*os.File
	Path    string // of the image's file
	Backing Backing
}
