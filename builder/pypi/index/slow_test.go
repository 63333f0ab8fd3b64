package index_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
)

// A host that sends every page just fast enough not to be cut off is given up: what it
// costs does not grow with the projects.
func TestHostIsGivenUp(t *testing.T) {
	s := pypitest.NewIndex(t, pypitest.Options{})
	o := quick
	o.Jobs, o.StallTime, o.MinSpeed, o.HostTime = 8, 600*time.Millisecond, 20, 300*time.Millisecond
	for i := range 64 {
		name := fmt.Sprintf("demo%d", i)
		add(s, name, "1.0")
		s.Fault(s.PagePath(name), pypitest.Fault{Drip: 20 * time.Millisecond}) // 50 bytes a second
	}
	c := client(t, s, o)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			_, err := c.Project(t.Context(), fmt.Sprintf("demo%d", i))
			if !errors.Is(err, index.ErrUnreachable) || !errors.Is(err, index.ErrGivenUp) || !strings.Contains(hint(err), "later") {
				t.Errorf("%v, hint %q", err, hint(err))
			}
		})
	}
	all.Wait()
	if n := len(s.Requests()); n > 2*o.Jobs {
		t.Errorf("%d requests", n)
	}
}

// What a server says is shown as far as a line can hold it.
func TestLongAnswersAreClipped(t *testing.T) {
	for name, to := range map[string]string{
		"long":              "https://far.example/" + strings.Repeat("a", 900_000),
		"long, not allowed": "ftp://far.example/" + strings.Repeat("a", 900_000),
		"within bounds":     "ftp://far.example/" + strings.Repeat("a", 8000),
	} {
		s := pypitest.NewIndex(t, pypitest.Options{})
		add(s, "demo", "1.0")
		s.Fault(s.PagePath("demo"), pypitest.Fault{Redirect: to})
		_, err := client(t, s, quick).Project(t.Context(), "demo")
		check(t, err, index.ErrRefused, "redirect")
		if len(err.Error()) > 1500 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}
