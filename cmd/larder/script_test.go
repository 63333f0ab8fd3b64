package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"larder/builder"
	"larder/builder/maven/maventest"
	"larder/builder/toytest"
	"larder/overlay/overlaytest"
)

// TestMain is also the program: under the name larder the test binary runs main,
// so that scripts start it as a user does.
func TestMain(m *testing.M) {
	testscript.Main(tests{m}, map[string]func(){
		"larder": func() {
			if index := os.Getenv("TOY_INDEX"); index != "" {
				builder.Register(toytest.Ecosystem(func() string { return index }))
			}
			os.Exit(mainCode(os.Args))
		},
	})
}

// TestScript runs testdata/script: each archive is one behaviour of the command
// that its name begins with. The commands beside testscript's own:
//
//	index FILE...            serve what the files describe (script_index_test.go)
//	fault PATH KEY=VALUE...  make the index misbehave there
//	requests ...             look at what it was asked
//	stocked [DIR]            a store with two snapshots
//	exits N COMMAND...       the command ends with that status
//	refused N larder...      and with one line, a hint, and an unchanged store
//	json FIELD [VALUE]       look at standard output
//	capture VAR REGEXP       keep a part of standard output
//	sha256 VAR WHEEL         the digest of a file of the index
//	fill FILE...             expand $VAR in files of the archive
//	parcel PROJECT VERSION FILE=TEXT...
//	                         add an artifact of the toy ecosystem to $TOY_INDEX, and to toy.lock
//	registry FILE DIR        serve the npm packages that a file describes, and lock them in a directory
//	repository FILE [FILE DIR]...
//	                         serve the Maven releases that a file describes, and write projects
//	publish FILE PATH        have that repository serve a file
//	asked [REGEXP]           look at what it was asked
//	flip FILE                change one byte
//	tmpfs DIR SIZE           mount a small file system
func TestScript(t *testing.T) {
	testscript.Run(t, params(t, "testdata/script", ""))
}

// TestMountScript runs the scripts that mount or that run commands under larder,
// in a mount namespace of their own.
func TestMountScript(t *testing.T) {
	if !overlaytest.Inside(t) {
		return
	}
	testscript.Run(t, params(t, "testdata/script/mount", "option no-pip\n"))
}

func params(t *testing.T, dir, index string) testscript.Params {
	python := pythonDir(t)
	template := sharedStore(t, python, index)
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return testscript.Params{
		Dir:                dir,
		RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Values[worldKey{}] = &scriptWorld{t: env.T().(testing.TB), template: template}
			env.Setenv("TESTDATA", testdata)
			env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("LARDER_STORE", filepath.Join(env.WorkDir, "store"))
			env.Setenv("PATH", scriptPath(python))
			env.Setenv("LC_ALL", "C.UTF-8")
			// No index until the script starts one: port 9 is the discard service's.
			env.Setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
			env.Setenv("PIP_CONFIG_FILE", os.DevNull)
			env.Setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
			env.Setenv("PIP_RETRIES", "0")
			return os.Mkdir(filepath.Join(env.WorkDir, "home"), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"index": cmdIndex, "fault": cmdFault, "requests": cmdRequests, "stocked": cmdStocked,
			"exits": cmdExits, "refused": cmdRefused, "json": cmdJSON, "capture": cmdCapture,
			"flip": cmdFlip, "tmpfs": cmdTmpfs, "sha256": cmdSHA256, "fill": cmdFill, "parcel": cmdParcel, "registry": cmdRegistry,
			"repository": cmdRepository, "publish": cmdPublish, "asked": cmdAsked,
		},
	}
}

type worldKey struct{}

// scriptWorld is what one script has besides its directory.
type scriptWorld struct {
	t        testing.TB // the script's own
	template string
	indexes  []*scriptIndex
	// repository is Maven's.
	repository *maventest.Repository
	secrets    []string // must be in no output
}

func worldOf(ts *testscript.TestScript) *scriptWorld { return ts.Value(worldKey{}).(*scriptWorld) }

// pythonDir is where the real python3 is. PATH may have a shim of a version
// manager, which costs more than the interpreter's own start.
func pythonDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("python3", "-c", "import os, sys; print(os.path.dirname(os.path.realpath(sys._base_executable)))").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// scriptPath has the program, then the interpreter, then the rest.
func scriptPath(python string) string {
	program, rest, _ := strings.Cut(os.Getenv("PATH"), string(filepath.ListSeparator))
	return strings.Join([]string{program, python, rest}, string(filepath.ListSeparator))
}

// sharedStore makes, once, the store that "stocked" copies: the first snapshot has
// alpha 1.0, the second alpha 2.0 with a command and beta.
func sharedStore(t *testing.T, python, index string) string {
	t.Helper()
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	x := newScriptIndex(t, optionsOf(index))
	x.describe(t.Fatalf, os.ReadFile, "wheel alpha 1.0\nwheel beta 1.0 requires=alpha\n")
	for _, build := range []struct{ more, list string }{
		{"", "alpha\n"},
		{"wheel alpha 2.0 console=alpha=alpha:main\n", "alpha\nbeta\n"},
	} {
		x.describe(t.Fatalf, os.ReadFile, build.more)
		list := filepath.Join(dir, "ranking.txt")
		if err := os.WriteFile(list, []byte(build.list), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("larder", "--store", store, "build", "--ranking", list)
		cmd.Env = append(x.server.Env(), "PATH="+scriptPath(python), "HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build the store of the scripts: %v\n%s", err, out)
		}
	}
	return store
}
