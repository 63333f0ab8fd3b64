package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
	"larder/builder/toytest"
)

// cmdStocked copies the shared store: stocked [DIR].
func cmdStocked(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.Getenv("LARDER_STORE")
	if len(args) > 0 {
		dir = ts.MkAbs(args[0])
	}
	ts.Check(exec.Command("cp", "-a", worldOf(ts).template, dir).Run())
}

// cmdExits runs a command that must end with a status: exits N COMMAND [ARG]...
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits N COMMAND [ARG]...")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d, want %s", got, args[0])
	}
	noSecrets(ts)
	if args[1] == "larder" && !slices.Contains(args, "run") { // there the other lines are the command's
		voice(ts)
	}
}

// noSecrets fails when the last command printed a password of an index.
func noSecrets(ts *testscript.TestScript) {
	for _, name := range []string{"stdout", "stderr"} {
		text := ts.ReadFile(name)
		for _, secret := range worldOf(ts).secrets {
			if strings.Contains(text, secret) {
				ts.Fatalf("%s has the password in it", name)
			}
		}
	}
}

var (
	asideLine   = regexp.MustCompile(`^larder: (warning: |skipped |changes against |no target is named|LOST against |(resolve|plan|make|rebuild|fetch|unpack|fill|seal|publish)( \d+|$))`)
	messageLine = regexp.MustCompile(`^larder: .`)
)

// voice checks what a command of ours said on standard error: "larder: …" lines and
// at most one error, each hint on a line of its own below it.
func voice(ts *testscript.TestScript) (errorLine, hint string) {
	var errorLines []string
	lost := false // the line before, which has a hint of its own
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		line = strings.TrimSuffix(line, "\n")
		undo := lost && strings.HasPrefix(line, "hint: ")
		lost = strings.HasPrefix(line, "larder: LOST against ")
		switch {
		case undo:
		case asideLine.MatchString(line):
		case messageLine.MatchString(line):
			errorLines = append(errorLines, strings.TrimPrefix(line, "larder: "))
		case strings.HasPrefix(line, "hint: ") && len(errorLines) > 0 && hint == "":
			hint = strings.TrimPrefix(line, "hint: ")
		default:
			ts.Fatalf("standard error has the line %q", line)
		}
		if strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
			ts.Fatalf("standard error has unprintable characters: %q", line)
		}
	}
	if len(errorLines) > 1 {
		ts.Fatalf("%d lines of error: %q", len(errorLines), errorLines)
	}
	if len(errorLines) == 1 {
		errorLine = errorLines[0]
		// Names such as METADATA may begin a line; a capitalised word does not.
		word := []rune(errorLine + "  ")
		if unicode.IsUpper(word[0]) && !unicode.IsUpper(word[1]) || strings.HasSuffix(errorLine, ".") {
			ts.Fatalf("not in the voice of the program (lower case, no full stop): %q", errorLine)
		}
	}
	return errorLine, hint
}

// cmdRefused runs larder on bad input: the status, one line, a hint, and a store that
// shows nothing new: refused [-no-hint] N larder [ARG]...; without a hint the line
// itself has to say what to do.
func cmdRefused(ts *testscript.TestScript, neg bool, args []string) {
	wantHint := true
	if len(args) > 0 && args[0] == "-no-hint" {
		wantHint, args = false, args[1:]
	}
	if neg || len(args) < 2 || args[1] != "larder" {
		ts.Fatalf("usage: refused [-no-hint] N larder [ARG]...")
	}
	before := listing(ts)
	cmdExits(ts, false, args)
	line, hint := voice(ts)
	if line == "" {
		ts.Fatalf("it says nothing")
	}
	if (hint != "") != wantHint {
		ts.Fatalf("hint: %q; wanted: %t", hint, wantHint)
	}
	after := listing(ts)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if before[name] != after[name] {
			ts.Fatalf("the refused command changed the store: %s is %q, was %q", name, after[name], before[name])
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			ts.Fatalf("the refused command removed %s from the store", name)
		}
	}
}

// listing is what a store publishes and holds. Left out is what a failed build may
// leave: whole wheels in the pool, pages of the index, rankings, a line of history, and
// the empty store itself.
func listing(ts *testscript.TestScript) map[string]string {
	root := ts.Getenv("LARDER_STORE")
	all := map[string]string{}
	switch info, err := os.Lstat(root); {
	case err != nil:
		return all
	case !info.IsDir():
		all["."] = info.Mode().String()
		return all
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		top, below, _ := strings.Cut(name, "/")
		switch {
		case below == "" && d.IsDir(), top == "store.json", top == "rankings", top == "pages", top == "history.jsonl", name == "staging/holder.json":
			return nil
		case top == "objects":
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[name] = fmt.Sprint(info.Mode(), " ", info.Size())
		if d.Type()&fs.ModeSymlink != 0 {
			all[name], err = os.Readlink(path)
		} else if d.Type().IsRegular() {
			b, e := os.ReadFile(path)
			all[name], err = all[name]+string(b), e
		}
		return err
	})
	ts.Check(err)
	return all
}

// cmdJSON looks at standard output, which must be one JSON document:
//
//	json FIELD VALUE    the field is that value; FIELD is a path such as skipped.0.project
//	json FIELD          the field is there
//	json -keys FIELD K...  the object there has these keys and no others; "." is the document
//	json -len FIELD N   the list there has N elements
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: json [-keys|-len] FIELD [VALUE]...")
	}
	mode := ""
	if args[0][0] == '-' {
		mode, args = args[0], args[1:]
	}
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		ts.Fatalf("standard output is no JSON: %v", err)
	}
	if dec.More() {
		ts.Fatalf("standard output is more than one JSON document")
	}
	found := true
	for _, step := range strings.Split(args[0], ".") {
		switch x := v.(type) {
		case map[string]any:
			if step != "" {
				v, found = x[step]
			}
		case []any:
			n, err := strconv.Atoi(step)
			if found = err == nil && n < len(x); found {
				v = x[n]
			}
		default:
			found = false
		}
		if !found {
			break
		}
	}
	if neg {
		if found {
			ts.Fatalf("%s is there: %v", args[0], v)
		}
		return
	}
	if !found {
		ts.Fatalf("no %s", args[0])
	}
	got, want := fmt.Sprint(v), strings.Join(args[1:], " ")
	switch mode {
	case "-keys":
		m, _ := v.(map[string]any)
		got = strings.Join(slices.Sorted(maps.Keys(m)), " ")
		keys := slices.Sorted(slices.Values(args[1:]))
		want = strings.Join(keys, " ")
	case "-len":
		list, ok := v.([]any)
		if !ok {
			ts.Fatalf("%s is no list: %v", args[0], v)
		}
		got = strconv.Itoa(len(list))
	default:
		if len(args) == 1 {
			return
		}
	}
	if got != want {
		ts.Fatalf("%s is %q, want %q", args[0], got, want)
	}
}

// cmdCapture keeps a part of the last standard output: capture VAR REGEXP.
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: capture VAR REGEXP")
	}
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	m := re.FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) == 0 {
		ts.Fatalf("standard output has no %s", re)
	}
	ts.Setenv(args[0], m[len(m)-1])
}

// cmdFlip changes one bit in the middle of a file and leaves its mode and times.
func cmdFlip(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		path := ts.MkAbs(name)
		info, err := os.Stat(path)
		ts.Check(err)
		b, err := os.ReadFile(path)
		ts.Check(err)
		b[len(b)/2] ^= 1
		ts.Check(os.Chmod(path, 0o644))
		ts.Check(os.WriteFile(path, b, 0o644))
		ts.Check(os.Chmod(path, info.Mode()))
		ts.Check(os.Chtimes(path, info.ModTime(), info.ModTime()))
	}
}

// cmdTmpfs mounts a file system for the rest of the script: tmpfs DIR SIZE [ro].
func cmdTmpfs(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tmpfs DIR SIZE")
	}
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size="+args[1]))
	ts.Defer(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			ts.Logf("unmount %s: %v", dir, err)
		}
	})
}

// cmdFill expands $VAR in files: fill FILE...
func cmdFill(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// cmdParcel makes an artifact of the toy ecosystem: parcel PROJECT VERSION FILE=TEXT...
func cmdParcel(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: parcel PROJECT VERSION FILE=TEXT...")
	}
	files := map[string]string{}
	for _, arg := range args[2:] {
		name, text, _ := strings.Cut(arg, "=")
		files[name] = text + "\n"
	}
	line := toytest.Pack(worldOf(ts).t, ts.Getenv("TOY_INDEX"), args[0], args[1], files)
	lock, err := os.OpenFile(ts.MkAbs("toy.lock"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	ts.Check(err)
	defer lock.Close()
	_, err = lock.WriteString(line)
	ts.Check(err)
}
