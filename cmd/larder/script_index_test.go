package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"larder/builder/pypi/pypitest"
)

// scriptIndex is a loopback index made of a description, line by line:
//
//	option html|json|mirror|gzip|no-hash|no-size|no-range|no-metadata|tls|auth=USER:PASSWORD   (first)
//	option no-pip         no pip of one small file: the interpreter's own is stocked
//	wheel NAME VERSION [requires=R]... [python=SPEC] [tag=T] [build=B] [console=E]... [file=PATH:FILE]...
//	      [yanked=WHY] [sha256=CLAIMED] [href=URL] [on=PROJECT] [broken=FORM]
//	sdist NAME VERSION [requires=R]... [with=R]... [needs=SPEC] [python=FILE]    builds, with wheels; with a
//	      FILE, its code runs then
//
// FILE is a file of the script; a "_" in WHY is a space; FORM is one of broken.
type scriptIndex struct {
	t      testing.TB
	server *pypitest.Index
	pip    bool
}

func newScriptIndex(t testing.TB, options []string) *scriptIndex {
	var o pypitest.Options
	x := &scriptIndex{t: t, pip: true}
	for _, name := range options {
		name, value, _ := strings.Cut(name, "=")
		switch name {
		case "html":
			o.HTMLOnly = true
		case "json":
			o.JSONOnly = true
		case "mirror":
			o.Mirror = true
		case "gzip":
			o.Gzip = true
		case "no-hash":
			o.NoHash = true
		case "no-size":
			o.NoSize = true
		case "no-range":
			o.NoRange = true
		case "no-metadata":
			o.NoMetadata = true
		case "tls":
			o.TLS = true
		case "auth":
			o.User, o.Password, _ = strings.Cut(value, ":")
		case "no-pip":
			x.pip = false
		default:
			t.Fatalf("no option %q of an index", name)
		}
	}
	x.server = pypitest.NewIndex(t, o)
	if x.pip {
		x.describe(t.Fatalf, os.ReadFile, "wheel pip 99.0")
	}
	return x
}

// optionsOf are the words of the option lines of a description.
func optionsOf(text string) (options []string) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "option" {
			options = append(options, f[1:]...)
		}
	}
	return options
}

// describe adds what a description names.
func (x *scriptIndex) describe(fatalf func(string, ...any), read func(string) ([]byte, error), text string) {
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		switch {
		case len(f) == 0 || f[0] == "#" || f[0] == "option":
		case f[0] == "sdist" && len(f) >= 3:
			x.sdist(fatalf, read, pypitest.Sdist{Name: f[1], Version: f[2]}, f[3:])
		case f[0] == "wheel" && len(f) >= 3:
			x.wheel(fatalf, read, pypitest.Wheel{Name: f[1], Version: f[2]}, f[3:])
		default:
			fatalf("description of an index: %q", s.Text())
		}
	}
}

func (x *scriptIndex) sdist(fatalf func(string, ...any), read func(string) ([]byte, error), s pypitest.Sdist, words []string) {
	for _, word := range words {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "requires":
			s.Requires = append(s.Requires, value)
		case "with":
			s.BuildRequires = append(s.BuildRequires, value)
		case "needs":
			s.NeedsPython = value
		case "python":
			code, err := read(value)
			if err != nil {
				fatalf("%v", err)
			}
			s.Python = string(code)
		default:
			fatalf("an sdist has no %q", word)
		}
	}
	x.server.AddFile(s.Name, pypitest.Artifact{Name: s.Filename(), Data: s.Bytes(x.t)})
}

// cmdIndex starts an index, or adds to the one that runs: index [-extra] FILE...
func cmdIndex(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	extra := len(args) > 0 && args[0] == "-extra"
	if extra {
		args = args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: index [-extra] FILE...")
	}
	text := ""
	for _, name := range args {
		text += ts.ReadFile(name) + "\n"
	}
	if len(w.indexes) == 0 || extra {
		options := optionsOf(text)
		x := newScriptIndex(w.t, options)
		for _, o := range options {
			if auth, ok := strings.CutPrefix(o, "auth="); ok {
				_, password, _ := strings.Cut(auth, ":")
				w.secrets = append(w.secrets, password)
			}
		}
		w.indexes = append(w.indexes, x)
		x.setenv(ts, extra)
	}
	w.indexes[len(w.indexes)-1].describe(ts.Fatalf, func(name string) ([]byte, error) { return os.ReadFile(ts.MkAbs(name)) }, text)
}

func (x *scriptIndex) setenv(ts *testscript.TestScript, extra bool) {
	if extra {
		ts.Setenv("PIP_EXTRA_INDEX_URL", x.server.AuthURL())
		ts.Setenv("PIP_TRUSTED_HOST", ts.Getenv("PIP_TRUSTED_HOST")+" "+x.server.Host())
		return
	}
	ts.Setenv("INDEX", strings.TrimSuffix(x.server.URL(), "/simple/"))
	ts.Setenv("INDEX_HOST", x.server.Host())
	for _, e := range x.server.Env() {
		if key, value, _ := strings.Cut(e, "="); strings.HasPrefix(key, "PIP_") {
			ts.Setenv(key, value)
		}
	}
}

// path is a path of the index: page:PROJECT, file:NAME, metadata:NAME or itself.
func (x *scriptIndex) path(ts *testscript.TestScript, name string) string {
	kind, rest, _ := strings.Cut(name, ":")
	p := name
	switch kind {
	case "page":
		return x.server.PagePath(rest)
	case "file":
		p = x.server.FilePath(rest)
	case "metadata":
		p = x.server.FilePath(rest) + ".metadata"
	}
	if !strings.HasPrefix(p, "/") {
		ts.Fatalf("the index has no %s", name)
	}
	return p
}

// cmdFault makes paths misbehave: fault PATH[,PATH]... [KEY=VALUE]...; none of them mends.
func cmdFault(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if neg || len(args) == 0 || len(w.indexes) == 0 {
		ts.Fatalf("usage: fault PATH[,PATH]... [KEY=VALUE]..., after index")
	}
	var f pypitest.Fault
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		ts.Check(err)
		return n
	}
	for _, arg := range args[1:] {
		key, value, _ := strings.Cut(arg, "=")
		switch key {
		case "status":
			f.Status = int(number(value))
		case "retry-after":
			f.RetryAfter = value
		case "type":
			f.ContentType = value
		case "body":
			f.Body = value
		case "redirect":
			f.Redirect = value
		case "hang":
			f.Hang = true
		case "cut":
			f.Cut, f.CutAfter = true, number(value)
		case "drip":
			d, err := time.ParseDuration(value)
			ts.Check(err)
			f.Drip = d
		case "flip":
			f.Flip = true
		case "pad":
			f.Pad = number(value)
		case "times":
			f.Times = int(number(value))
		case "after":
			f.After = int(number(value))
		default:
			ts.Fatalf("no fault %q", key)
		}
	}
	for _, p := range strings.Split(args[0], ",") {
		w.indexes[0].server.Fault(w.indexes[0].path(ts, p), f)
	}
}

// cmdRequests looks at the log of the first index, as lines "METHOD PATH STATUS":
// requests [-count=N|-wait] REGEXP, or requests -reset.
func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if len(w.indexes) == 0 || len(args) == 0 {
		ts.Fatalf("usage: requests [-count=N|-wait] REGEXP, or requests -reset, after index")
	}
	server := w.indexes[0].server
	if args[0] == "-reset" {
		server.Reset()
		return
	}
	re, err := regexp.Compile(args[len(args)-1])
	ts.Check(err)
	matches := func() (n int) {
		for _, r := range server.Requests() {
			if re.MatchString(fmt.Sprintf("%s %s %d", r.Method, r.Path, r.Status)) {
				n++
			}
		}
		return n
	}
	want, counted := strings.CutPrefix(args[0], "-count=")
	for end := time.Now().Add(30 * time.Second); args[0] == "-wait" && matches() == 0; {
		if time.Now().After(end) {
			ts.Fatalf("no request matched %s for 30 s", re)
		}
		time.Sleep(20 * time.Millisecond)
	}
	n := matches()
	if (neg && n > 0) || (counted && strconv.Itoa(n) != want) || (!neg && !counted && n == 0) {
		for _, r := range server.Requests() {
			ts.Logf("%s %s %d (%d bytes)", r.Method, r.Path, r.Status, r.Bytes)
		}
		ts.Fatalf("%d requests match %s", n, re)
	}
}

// cmdSHA256 keeps the digest of a file that the first index serves: sha256 VAR NAME.
func cmdSHA256(ts *testscript.TestScript, neg bool, args []string) {
	w := worldOf(ts)
	if neg || len(args) != 2 || len(w.indexes) == 0 {
		ts.Fatalf("usage: sha256 VAR FILENAME, after index")
	}
	// The path of a file is /files/, some of its digest, and its name: ask for it.
	resp, err := http.Get(ts.Getenv("INDEX") + w.indexes[0].path(ts, "file:"+args[1]))
	ts.Check(err)
	defer resp.Body.Close()
	h := sha256.New()
	_, err = io.Copy(h, resp.Body)
	ts.Check(err)
	ts.Setenv(args[0], fmt.Sprintf("%x", h.Sum(nil)))
}
