package overlay

// descriptors is the construction with file descriptors and detached mounts, in kernels from 6.15.
// Its parts are beside what they make: tree_linux.go, view_linux.go, inuse_linux.go.
type descriptors struct{ images }

func (descriptors) Name() string { return "descriptors" }
