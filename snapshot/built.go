package snapshot

import (
	"errors"
	"fmt"
	"slices"
)

// Built is which of the artifacts that were built from sources count: for a build those that it
// makes, for an attach those that it trusts. What an index publishes always counts.
type Built int

const (
	NoBuilt   Built = iota // none
	PureBuilt              // those without machine code
	AllBuilt               // all
)

var builtNames = []string{"no", "pure", "all"}

// ErrBuilt is a word for Built that is none.
var ErrBuilt = errors.New("what is built from sources is no, pure or all")

// ParseBuilt reads no, pure or all.
func ParseBuilt(text string) (Built, error) {
	if at := slices.Index(builtNames, text); at >= 0 {
		return Built(at), nil
	}
	return NoBuilt, fmt.Errorf("%w, not %q", ErrBuilt, text)
}

func (b Built) String() string { return builtNames[b] }

// MarshalText implements encoding.TextMarshaler.
func (b Built) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Built) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBuilt(string(text))
	return err
}

// The two kinds of built artifacts, as a manifest says them.
const (
	Pure   = "pure"   // without machine code
	Native = "native" // with
)

// Kinds are those that count.
func (b Built) Kinds() []string { return []string{Pure, Native}[:b] }

// Needs is the least that counts an artifact; nil is one as its index publishes it.
func (b *ManifestBuilt) Needs() Built {
	switch {
	case b == nil:
		return NoBuilt
	case b.Kind == Pure:
		return PureBuilt
	}
	return AllBuilt
}
