package overlay

import "os"

// Point is a mount point, found once and held by descriptor.
type Point struct {
	Path  string // links followed, as the command or the container's process sees it
	Owner Owner
	Mode  os.FileMode // its permissions
	Flags int         // of what is mounted there, MOUNT_ATTR_*: see [FlagsBelow]
	// Below is a clone of what is there, nil when that is nothing. It serves as the lowest lower, so
	// that a view hides nothing.
	Below *os.File
	Dir   *os.File   // O_PATH
	Undo  func()     // removes what was made to have it, as far as that is still empty; nil: nothing was
	Made  []*os.File // the directories that Undo removes something from
}

// Close lets go of a point; what was made stays.
func (p *Point) Close() {
	for _, f := range append(p.Made, p.Dir, p.Below) {
		if f != nil {
			f.Close()
		}
	}
	p.Dir, p.Below, p.Undo, p.Made = nil, nil, nil, nil
}

// Abandon removes what was made to have the point, and lets go of it.
func (p *Point) Abandon() {
	if p.Undo != nil {
		p.Undo()
	}
	p.Close()
}
