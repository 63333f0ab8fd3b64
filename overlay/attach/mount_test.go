package attach

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/overlay"
	"larder/overlay/instance"
)

// A mask is one more lower. Where there is no room for it, or none can be found out, that is said, or
// an error.
func TestMaskNeedsRoom(t *testing.T) {
	i, err := instance.Create(filepath.Join(t.TempDir(), "i"))
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	own, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	something := func(*os.File) (func(string) error, error) {
		return func(string) error { return errors.New("full") }, nil
	}
	nothing := func(*os.File) (func(string) error, error) { return nil, nil }
	unread := func(*os.File) (func(string) error, error) { return nil, errors.New("unread") }
	for _, c := range []struct {
		name   string
		lowers int
		mask   func(*os.File) (func(string) error, error)
		fills  bool
		says   string
	}{
		{"room", 498, something, true, ""}, {"no room", 499, something, false, "no room"}, {"no room, nothing to hide", 499, nothing, false, ""},
		{"unread", 1, unread, false, "unread"}, {"no mask", 1, nil, false, ""},
	} {
		for _, required := range []bool{false, true} {
			said := ""
			s := Session{Instance: i, Required: required, Note: func(text string) { said += text }}
			fill, err := s.findMask(mount{name: "env", at: &overlay.Point{Below: own}, lowers: make([]string, c.lowers), mask: c.mask})
			if err != nil {
				said = err.Error()
			}
			if (fill != nil) != c.fills || (err != nil) != (required && c.says != "") || !strings.Contains(said, c.says) || (said == "") != (c.says == "") {
				t.Errorf("%s, required %v: %v, said %q", c.name, required, err, said)
			}
			if err != nil && !errors.Is(err, ErrMask) {
				t.Errorf("%s: %v", c.name, err)
			}
			if fill != nil && !errors.Is(fill(""), ErrMask) {
				t.Errorf("%s: a mask that could not be written", c.name)
			}
		}
	}
}
