package builder

import (
	"errors"
	"fmt"
)

// Layers says which of the ranked artifacts are unpacked. What a lock names always is.
type Layers int

const (
	NoLayers   Layers = iota // none
	AutoLayers               // without a budget all; with one, those that are worth their disk, as the ecosystem chooses
	AllLayers                // all that are stocked
)

var layersNames = []string{"none", "auto", "all"}

// ErrLayers is a word for layers that is none.
var ErrLayers = errors.New("layers are auto, all or none")

// ParseLayers reads auto, all or none.
func ParseLayers(text string) (Layers, error) {
	for i, name := range layersNames {
		if name == text {
			return Layers(i), nil
		}
	}
	return NoLayers, fmt.Errorf("%w, not %q", ErrLayers, text)
}

func (l Layers) String() string { return layersNames[l] }
