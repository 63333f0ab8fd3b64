package run

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"larder/overlay"
)

// User is whom the command runs as.
type User struct {
	Name   string // "" when the uid has no entry in passwd
	Home   string // "" when unknown
	Owner  overlay.Owner
	Groups []int
	Switch bool // not the user we are: drop privileges
}

// CurrentUser is the user we are. Its home is HOME's, as every program takes it.
func CurrentUser(env []string) User {
	u := User{Owner: overlay.Owner{UID: os.Geteuid(), GID: os.Getegid()}, Home: lookup(env, "HOME")}
	if u.Home == "" {
		if e, err := user.LookupId(strconv.Itoa(u.Owner.UID)); err == nil {
			u.Home, u.Name = e.HomeDir, e.Username
		}
	}
	return u
}

// LookupUser finds a user by name or number. A number needs no entry; its group
// is then the same number.
func LookupUser(name string) (User, error) {
	e, err := user.Lookup(name)
	if err != nil {
		var unknown user.UnknownUserError
		if !errors.As(err, &unknown) {
			return User{}, fmt.Errorf("look up user %q: %w", name, err)
		}
		uid, convErr := strconv.ParseUint(name, 10, 31)
		if convErr != nil {
			return User{}, fmt.Errorf("no user %q on this host", name)
		}
		if e, err = user.LookupId(name); err != nil {
			return User{Owner: overlay.Owner{UID: int(uid), GID: int(uid)}, Switch: true}, nil
		}
	}
	u := User{Name: e.Username, Home: e.HomeDir, Switch: true}
	if u.Owner.UID, err = strconv.Atoi(e.Uid); err == nil {
		u.Owner.GID, err = strconv.Atoi(e.Gid)
	}
	if err != nil {
		return User{}, fmt.Errorf("look up user %q: %w", name, err)
	}
	ids, err := e.GroupIds()
	if err != nil {
		return User{}, fmt.Errorf("look up groups of user %q: %w", name, err)
	}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return User{}, fmt.Errorf("look up groups of user %q: %w", name, err)
		}
		u.Groups = append(u.Groups, n)
	}
	return u, nil
}

// environ is the command's environment: ours, with the user's names when it is
// another user's (what runuser does), and set on top of it.
func environ(env []string, u User, set map[string]string, unset ...string) []string {
	if u.Switch {
		names := map[string]string{"HOME": u.Home, "USER": u.Name, "LOGNAME": u.Name}
		for k, v := range names {
			if v == "" {
				unset = append(unset, k)
			} else if _, own := set[k]; !own {
				env = with(env, k, v)
			}
		}
	}
	for _, k := range unset {
		env = without(env, k)
	}
	for k, v := range set {
		env = with(env, k, v)
	}
	return env
}

func with(env []string, key, value string) []string {
	return append(without(env, key), key+"="+value)
}

func without(env []string, key string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, e := range env {
		if !strings.HasPrefix(e, key+"=") {
			kept = append(kept, e)
		}
	}
	return kept
}

// lookup returns the last value, as execve's receivers do.
func lookup(env []string, key string) string {
	value := ""
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, key+"="); ok {
			value = v
		}
	}
	return value
}
