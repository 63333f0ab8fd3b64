package overlay

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestViewCheck(t *testing.T) {
	many := make([]string, 501)
	wide := make([]string, 200)
	for n := range many {
		many[n] = fmt.Sprintf("l/%012x", n)
	}
	for n := range wide {
		wide[n] = fmt.Sprintf("l/%0200d", n)
	}
	ok := []string{"views/pip", "l/0123456789ab"}
	for _, c := range []struct {
		name string
		v    View
		want string // part of the refusal; "" accepts
	}{
		{"plain", View{Lowers: ok, Source: "larder:x"}, ""},
		{"500", View{Lowers: many[:500], Source: "larder:x"}, ""},
		{"501", View{Lowers: many, Source: "larder:x"}, "501 lowers"},
		{"500 and a lowest", View{Lowers: many[:500], Lowest: os.Stdin, Source: "larder:x"}, "501 lowers"},
		{"499, a mask and a lowest", View{Lowers: many[:499], Mask: true, Lowest: os.Stdin, Source: "larder:x"}, "501 lowers"},
		{"498, a mask and a lowest", View{Lowers: many[:498], Mask: true, Lowest: os.Stdin, Source: "larder:x"}, ""},
		{"a mask of nothing", View{Lowers: ok, Mask: true, Source: "larder:x"}, ""},
		{"only a lowest", View{Lowest: os.Stdin, Source: "larder:x"}, ""},
		{"none", View{Source: "larder:x"}, "no lower"},
		{"twice", View{Lowers: []string{"l/a", "l/b", "l/a"}, Source: "larder:x"}, `"l/a" twice`},
		{"parent", View{Lowers: []string{"../etc"}, Source: "larder:x"}, "plain path"},
		{"parent inside", View{Lowers: []string{"l/../../etc"}, Source: "larder:x"}, "plain path"},
		{"absolute", View{Lowers: []string{"/etc"}, Source: "larder:x"}, "plain path"},
		{"the tree itself", View{Lowers: []string{"."}, Source: "larder:x"}, "plain path"},
		{"empty", View{Lowers: []string{""}, Source: "larder:x"}, "plain path"},
		{"NUL", View{Lowers: []string{"l/a\x00b"}, Source: "larder:x"}, "plain path"},
		{"slash at the end", View{Lowers: []string{"l/a/"}, Source: "larder:x"}, "plain path"},
		{"no source", View{Lowers: ok}, "source"},
		{"somebody else's source", View{Lowers: ok, Source: "overlay"}, "source"},
		{"source that breaks the table", View{Lowers: ok, Source: "larder:a b"}, "source"},
		{"long source", View{Lowers: ok, Source: "larder:" + strings.Repeat("x", 255)}, "source"},
		{"long line", View{Lowers: wide, Source: "larder:x"}, "mountinfo"},
	} {
		err := c.v.Check()
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want a refusal with %q", c.name, err, c.want)
		}
	}
}

func TestErrorsSayEverything(t *testing.T) {
	for _, c := range []struct {
		err  *Error
		text string
		is   []error
	}{
		{newError("move_mount", "overlay larder:x", "/mnt", "", syscall.EBUSY), "move_mount overlay larder:x on /mnt: device or resource busy", []error{ErrBusy, syscall.EBUSY}},
		{newError("fsopen", "erofs", "", "", syscall.ENODEV), "fsopen erofs: no such device", []error{ErrUnsupported, syscall.ENODEV}},
		{newError("mount", "overlay larder:x", "", "too many lower directories, limit is 500", syscall.EINVAL), "mount overlay larder:x: too many lower directories, limit is 500: invalid argument", []error{syscall.EINVAL}},
	} {
		if c.text != "" && c.err.Error() != c.text {
			t.Errorf("text %q, want %q", c.err, c.text)
		}
		for _, want := range c.is {
			if !errors.Is(c.err, want) {
				t.Errorf("%v is not %v", c.err, want)
			}
		}
	}
}
