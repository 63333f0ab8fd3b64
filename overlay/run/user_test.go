package run

import (
	"os"
	"slices"
	"testing"

	"larder/overlay"
)

// Of a variable that is there twice the last value counts, as for who gets the environment.
func TestLookup(t *testing.T) {
	if got := lookup([]string{"PIP_CACHE_DIR=/first", "X=1", "PIP_CACHE_DIR=/last"}, "PIP_CACHE_DIR"); got != "/last" {
		t.Errorf("%q", got)
	}
}

func TestEnviron(t *testing.T) {
	ours := []string{"HOME=/root", "USER=root", "PYTHONHOME=/x", "PATH=/bin", "TERM=vt100"}
	got := environ(ours, User{}, map[string]string{"PATH": "/env/bin:/bin"}, "PYTHONHOME")
	slices.Sort(got)
	if want := []string{"HOME=/root", "PATH=/env/bin:/bin", "TERM=vt100", "USER=root"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = environ(ours, User{Name: "a", Home: "/home/a", Owner: overlay.Owner{UID: 5, GID: 5}, Switch: true}, nil)
	slices.Sort(got)
	if want := []string{"HOME=/home/a", "LOGNAME=a", "PATH=/bin", "PYTHONHOME=/x", "TERM=vt100", "USER=a"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// A number without an entry: root's names must not stay.
	got = environ(ours, User{Owner: overlay.Owner{UID: 5, GID: 5}, Switch: true}, nil)
	slices.Sort(got)
	if want := []string{"PATH=/bin", "PYTHONHOME=/x", "TERM=vt100"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if ours[0] != "HOME=/root" || len(ours) != 5 {
		t.Errorf("the caller's environment changed: %q", ours)
	}
}

func TestLookupUser(t *testing.T) {
	u, err := LookupUser("root")
	if err != nil || u.Owner != (overlay.Owner{}) || u.Home == "" || !u.Switch {
		t.Errorf("root: %+v, %v", u, err)
	}
	if u, err := LookupUser("0"); err != nil || u.Name != "root" {
		t.Errorf("0: %+v, %v", u, err)
	}
	if u, err := LookupUser("123456789"); err != nil || u.Owner != (overlay.Owner{UID: 123456789, GID: 123456789}) || u.Home != "" {
		t.Errorf("a number without an entry: %+v, %v", u, err)
	}
	for _, name := range []string{"", "no-such-user-here", "-1", "4294967295", "99999999999999999999", "0x0", "root\n", "../root"} {
		if u, err := LookupUser(name); err == nil {
			t.Errorf("%q: %+v", name, u)
		}
	}
	if u := CurrentUser([]string{"HOME=/h"}); u.Home != "/h" || u.Owner.UID != os.Geteuid() || u.Switch {
		t.Errorf("current: %+v", u)
	}
}
