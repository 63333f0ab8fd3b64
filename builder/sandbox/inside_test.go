package sandbox

import (
	"fmt"
	"os"
	"testing"
)

// insideName is what the test's program is called in a container: there it is the command.
const insideName = "inside"

// deeds are what the commands of the tests do, by name. What they return is said, and is status 1.
var deeds = map[string]func(args []string) error{
	"say": func(args []string) error {
		fmt.Println(args[0])
		return os.WriteFile("/out/said", []byte(args[0]), 0o644)
	},
}

func TestMain(m *testing.M) {
	if os.Args[0] == "/"+insideName {
		if err := deeds[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// inside is a specification of a deed.
func deed(t *testing.T, name string, args ...string) Spec {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	if deeds[name] == nil {
		t.Fatalf("no deed %s", name)
	}
	return Spec{Args: append([]string{"/" + insideName, name}, args...), Mounts: []Mount{{self, "/" + insideName}}}
}

func open(t *testing.T) *Runner {
	t.Helper()
	r, err := Open(t.TempDir())
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func run(t *testing.T, r *Runner, s Spec) *Result {
	t.Helper()
	result, err := r.Run(t.Context(), s)
	must(t, err)
	t.Cleanup(func() { result.Close() })
	return result
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
