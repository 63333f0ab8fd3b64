package wheel

import (
	"os"
	"path/filepath"
	"testing"

	"larder/builder/pypi/pypitest"
)

// Real wheels must pass: a rule that refuses one in a thousand costs more than it
// protects.
func TestE2ERealWheelsPass(t *testing.T) {
	refused := 0
	files := pypitest.Real(t)
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		st, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		w, err := Open(f, st.Size(), filepath.Base(name))
		if err == nil {
			err = w.Verify()
		}
		if err != nil {
			refused++
			t.Errorf("%v", err)
			continue
		}
		f.Close()
	}
	t.Logf("%d wheels, %d refused", len(files), refused)
}
