package check

import (
	"fmt"
	"strconv"
	"strings"

	"larder/snapshot"
)

// Subset is the part of the objects that a full check reads, from 1 to Of; the zero Subset is all of
// them. An object's digest decides which part it is in, so all parts of a number are the whole
// pool, whatever is added to it or collected in between.
type Subset struct{ Part, Of int }

// maxParts is far beyond what anybody needs: a part a night for 27 years.
const maxParts = 10000

// ParseSubset reads "1/7".
func ParseSubset(text string) (Subset, error) {
	part, of, _ := strings.Cut(text, "/")
	p, perr := strconv.ParseUint(part, 10, 32)
	n, nerr := strconv.ParseUint(of, 10, 32)
	switch {
	case perr != nil || nerr != nil:
		return Subset{}, fmt.Errorf("%q is not PART/PARTS, as 1/7", text)
	case n < 1 || n > maxParts:
		return Subset{}, fmt.Errorf("%q: there can be 1 to %d parts", text, maxParts)
	case p < 1 || p > n:
		return Subset{}, fmt.Errorf("%q: the parts are 1/%d to %d/%d", text, n, n, n)
	}
	return Subset{int(p), int(n)}, nil
}

// String is what ParseSubset reads, "" for all.
func (s Subset) String() string {
	if s.Of == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Part, s.Of)
}

func (s Subset) has(o snapshot.Object) bool {
	return s.Of == 0 || o.Digest.Part(s.Of) == s.Part-1
}
