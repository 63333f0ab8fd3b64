package sandbox

import (
	"fmt"
	"testing"
)

// What a container costs that does nothing (root).
func BenchmarkRun(b *testing.B) {
	r, err := Open(b.TempDir())
	must(b, err)
	defer r.Close()
	for vary := range 2 {
		b.Run(fmt.Sprint(vary), func(b *testing.B) {
			s := deed(b, "nothing")
			s.Vary = vary
			for b.Loop() {
				result, err := r.Run(b.Context(), s)
				must(b, err)
				result.Close()
			}
		})
	}
}
