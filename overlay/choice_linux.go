package overlay

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// RunDir is where a host keeps what is true until its next boot.
const RunDir = "/run/larder"

// memory is a link that names the construction that worked, where it was not the first. What is
// below /run goes with the boot, and with it what another kernel could do.
const memory = RunDir + "/construction"

// Only names the one construction that there is. The linker sets it, for tests of those that this
// kernel would not choose: go test -ldflags '-X larder/overlay.Only=ordinary'.
var Only string

// Chosen is the construction for this host: the first that works, found by trying. It costs nothing
// where the first one does.
func Chosen() Construction { return chosen }

var chosen = &choice{memory: memory, all: allowed()}

// choice goes down the constructions until one does what is asked of it, and stays with that. What
// is remembered only saves the others' tries: where it does not work for a snapshot, all are tried.
type choice struct {
	images
	memory string
	all    []Construction // in the order in which they are tried

	mu      sync.Mutex
	settled Construction
}

func (c *choice) Name() string {
	if s := c.have(); s != nil {
		return s.Name()
	}
	return "none yet"
}

func (c *choice) have() Construction {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.settled
}

func (c *choice) settle(on Construction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled = on
}

// proof is what it says of a construction that it could do something.
type proof int

const (
	ofNothing   proof = iota // more of them can
	ofOnlyFirst              // the first construction can only if it can do all; the others can alike
	ofAny                    // whichever can do it can do all
)

// try has the settled construction do it, else the first that can.
func (c *choice) try(is proof, do func(Construction) error) error {
	if s := c.have(); s != nil {
		return do(s)
	}
	all := c.all
	var refusals []string
	for n := 0; ; n++ {
		err := do(all[n])
		switch {
		case err == nil:
			if is == ofAny || is == ofOnlyFirst && n == 0 {
				c.settle(all[n])
			}
			if is == ofAny && n > 0 {
				c.remember(all[n].Name())
			}
			return nil
		case !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrDepth):
			return err
		}
		refusals = append(refusals, all[n].Name()+": "+err.Error())
		if n == 0 {
			all = c.recall(all)
		}
		if n == len(all)-1 {
			return noneWorks(refusals, err)
		}
	}
}

// allowed are the constructions that there are.
func allowed() []Construction {
	all := Constructions()
	if Only != "" {
		all = slices.DeleteFunc(all, func(c Construction) bool { return c.Name() != Only })
	}
	return all
}

// recall puts what is remembered before the others that are left.
func (c *choice) recall(all []Construction) []Construction {
	name, err := os.Readlink(c.memory)
	at := slices.IndexFunc(all, func(c Construction) bool { return c.Name() == name })
	if err != nil || at < 1 {
		return all
	}
	rest := slices.Delete(slices.Clone(all[1:]), at-1, at)
	return append([]Construction{all[0], all[at]}, rest...)
}

// remember is best effort: where it cannot, the next one tries again.
func (c *choice) remember(name string) {
	if had, err := os.Readlink(c.memory); err == nil && had == name {
		return
	}
	_ = os.Mkdir(filepath.Dir(c.memory), 0o755)
	_ = os.Remove(c.memory)
	_ = os.Symlink(name, c.memory)
}

// noneWorks is the error of the last one where it says more than that it does not work.
func noneWorks(refusals []string, last error) error {
	if errors.As(last, new(*Problem)) || errors.Is(last, ErrDepth) {
		return last
	}
	return &Problem{Kind: ErrUnsupported, Text: "this kernel mounts no snapshot: " + strings.Join(refusals, "; "),
		Advice: "larder doctor says what is missing"}
}

func (c *choice) OpenTree(image Image, objects string, owner Owner) (tree *os.File, err error) {
	err = c.try(ofAny, func(by Construction) (err error) {
		tree, err = by.OpenTree(image, objects, owner)
		return err
	})
	return tree, err
}

func (c *choice) Clone(m *os.File) (clone *os.File, err error) {
	err = c.try(ofOnlyFirst, func(by Construction) (err error) {
		clone, err = by.Clone(m)
		return err
	})
	return clone, err
}

func (c *choice) Show(tree *os.File, label string) (m *os.File, err error) {
	err = c.try(ofOnlyFirst, func(by Construction) (err error) {
		m, err = by.Show(tree, label)
		return err
	})
	return m, err
}

func (c *choice) NewView(v View) (m *os.File, err error) {
	err = c.try(ofOnlyFirst, func(by Construction) (err error) {
		m, err = by.NewView(v)
		return err
	})
	return m, err
}

func (c *choice) Parts(m *os.File, dirs []string) (parts []*os.File, err error) {
	err = c.try(ofOnlyFirst, func(by Construction) (err error) {
		parts, err = by.Parts(m, dirs)
		return err
	})
	return parts, err
}

func (c *choice) UpperInUse(dir string) (used bool, err error) {
	err = c.try(ofNothing, func(by Construction) (err error) {
		used, err = by.UpperInUse(dir)
		return err
	})
	return used, err
}
