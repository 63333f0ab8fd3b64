package overlay

import "os"

// Chowning is the oldest construction as it is where EROFS has no idmapped mounts.
func Chowning() Construction { return ordinary{chowns: true} }

// Chown is chown, for what it makes of a bad image.
var Chown = chown

// Cover is how a construction shows a tree where it takes an overlay: with a label, which only a
// host with SELinux takes.
func Cover(c Construction, tree *os.File) (*os.File, error) {
	return c.(interface {
		cover(tree *os.File, label string) (*os.File, error)
	}).cover(tree, "")
}
