//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Variable is what tells a program its failpoints.
const Variable = "LARDER_FAILPOINT"

var (
	actions = parse(os.Getenv(Variable))
	mu      sync.Mutex
	reached = map[string]int{}
)

// parse panics on what it does not know: a test with a misspelt action would show nothing.
func parse(list string) map[string]string {
	m := map[string]string{}
	for _, one := range strings.Split(list, ",") {
		if one == "" {
			continue
		}
		name, action, _ := strings.Cut(one, "=")
		verb, place, _ := strings.Cut(action, ":")
		if name == "" || verb != "kill" && (place == "" || verb != "hold" && verb != "log") {
			panic(Variable + ": " + one)
		}
		m[name] = action
	}
	return m
}

// Here is a step of a command.
func Here(name string) {
	if len(actions) == 0 {
		return
	}
	mu.Lock()
	reached[name]++
	numbered := fmt.Sprintf("%s#%d", name, reached[name])
	first := reached[name] == 1
	mu.Unlock()
	if action, ok := actions["*"]; ok {
		log(strings.TrimPrefix(action, "log:"), name)
	}
	if action, ok := actions[numbered]; ok {
		do(action, numbered)
	} else if action, ok := actions[name]; ok && first {
		do(action, name)
	}
}

func do(action, name string) {
	verb, place, _ := strings.Cut(action, ":")
	if verb == "kill" {
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {} // until it arrives
	}
	file := filepath.Join(place, strings.Map(plain, name))
	if err := os.WriteFile(file+".here", nil, 0o644); err != nil {
		panic(err)
	}
	for {
		if _, err := os.Lstat(file + ".go"); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func plain(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

func log(file, name string) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, name); err != nil {
		panic(err)
	}
}
