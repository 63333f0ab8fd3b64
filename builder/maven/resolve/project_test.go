package resolve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/builder"
	"larder/builder/maven/settings"
	"larder/builder/sandbox"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// refused wants an error that is the project's, in one line with what to do next.
func refused(t *testing.T, name string, err error, reason, want string) {
	t.Helper()
	var f *Failure
	if !errors.As(err, &f) || f.Reason != reason || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b") || f.Hint() == "" || len(err.Error()) > 1000 {
		t.Errorf("%s: %v, want %s: %s", name, err, reason, want)
	}
}

// What is no POM is said before anything is started.
func TestPOM(t *testing.T) {
	dir := t.TempDir()
	deep := strings.Repeat("<a>", maxDepth+1)
	for text, want := range map[string]string{
		"":                      "it cannot be read: EOF",
		"<project>":             "it cannot be read: XML syntax error on line 1: unexpected EOF",
		"<settings></settings>": "it is no POM: its root is not one <project>, but <settings>",
		"<project></project><settings></settings>": "it is no POM: its root is not one <project>, but <settings>",
		"\x1b[31m<project>\x1b[0m</project>":       "it cannot be read",
		"<project>" + deep:                         "its elements are more than 100 deep",
		"<project>&lol;</project>":                 "invalid character entity &lol;",
		"<!DOCTYPE project [<!ENTITY lol SYSTEM \"/etc/passwd\">]><project>&lol;</project>": "it has a DOCTYPE",
		"<project>" + strings.Repeat(" ", maxPOM) + "</project>":                            "it is no file of at most",
		"<project><modelVersion>4.0.0</modelVersion></projekt>":                             "element <project> closed by </projekt>",
	} {
		name := write(t, filepath.Join(dir, "pom.xml"), text)
		refused(t, fmt.Sprintf("%.60q", text), Project(t.Context(), name, nil, Options{Maven: "/nowhere"}), BadPOM, want)
		refused(t, "its name", Project(t.Context(), name, nil, Options{}), BadPOM, name+": ")
	}
	refused(t, "a directory", checkPOM(dir), BadPOM, "it is no file")
	for _, text := range []string{
		"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>\n<!-- \xe9 --><p:project xmlns:p=\"x\"><name>\xe9</name></p:project>", "\ufeff<project/>", "<project>&lt;&#65;<![CDATA[&lol;]]></project>\n",
	} {
		if err := checkPOM(write(t, filepath.Join(dir, "pom.xml"), text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := Project(t.Context(), filepath.Join(dir, "none.pom"), nil, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	// What the host lacks is no fault of the project's.
	err := Project(t.Context(), filepath.Join(dir, "pom.xml"), nil, Options{Maven: filepath.Join(dir, "mvn")})
	var hint interface{ Hint() string }
	if !builder.HostFault(err) || asFailure(err) != nil || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "install Maven") {
		t.Error(err)
	}
}

// A project is copied without what leads out of it, blocks, or is an earlier build's.
func TestCopy(t *testing.T) {
	dir, secret := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	write(t, secret, "secret")
	for _, name := range []string{"pom.xml", "src/target/kept", "target/gone", "module/pom.xml", "module/target/gone", ".mvn/jvm.config"} {
		write(t, filepath.Join(dir, name), name)
	}
	if err := errors.Join(os.Symlink(secret, filepath.Join(dir, "link")), os.Symlink("..", filepath.Join(dir, "up")), unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644),
		os.Chmod(filepath.Join(dir, "module"), 0o700), os.Chmod(filepath.Join(dir, "src/target/kept"), 0o700)); err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	size, err := copyProject(t.Context(), filepath.Join(dir, "pom.xml"), to, 1<<20)
	if err != nil || size != 10*4096 {
		t.Errorf("%d, %v", size, err)
	}
	var found []string
	err = filepath.WalkDir(to, func(name string, d os.DirEntry, err error) error {
		info, _ := d.Info()
		found = append(found, fmt.Sprint(strings.TrimPrefix(name, to), " ", info.Mode()))
		return err
	})
	want := " drwxr-xr-x,/.mvn drwxr-xr-x,/.mvn/jvm.config -rw-r--r--,/link Lrwxrwxrwx,/module drwxr-xr-x,/module/pom.xml -rw-r--r--,/pom.xml -rw-r--r--," +
		"/src drwxr-xr-x,/src/target drwxr-xr-x,/src/target/kept -rwxr--r--,/up Lrwxrwxrwx"
	if got := strings.Join(found, ","); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if got := fmt.Sprint(jvmConfig(to)); got != "[.mvn/jvm.config]" {
		t.Error(got)
	}
	// A POM of another name is alone.
	other, to := write(t, filepath.Join(dir, "a.pom"), "<project/>"), t.TempDir()
	if size, err := copyProject(t.Context(), other, to, 1<<20); err != nil || size != 4096 {
		t.Errorf("%d, %v", size, err)
	}
	if entries, err := os.ReadDir(to); err != nil || len(entries) != 1 {
		t.Error(entries, err)
	}
	_, err = copyProject(t.Context(), filepath.Join(dir, "pom.xml"), t.TempDir(), 5*4096)
	refused(t, "too large", err, Limit, dir+"/pom.xml: limit: the directory it lies in has more than a project has")
	over, stop := context.WithCancelCause(t.Context())
	stop(errors.New("over"))
	if _, err := copyProject(over, filepath.Join(dir, "pom.xml"), t.TempDir(), 1<<20); err == nil || err.Error() != "over" {
		t.Error(err)
	}
}

func asFailure(err error) *Failure {
	var f *Failure
	errors.As(err, &f)
	return f
}

// What an installation's links lead to is shown where they look for it, and nothing that is not there.
func TestHost(t *testing.T) {
	dir := t.TempDir()
	i := settings.Installation{Home: filepath.Join(dir, "share/maven"), Java: filepath.Join(dir, "jvm/17")}
	for _, name := range []string{"share/maven/boot/plexus-classworlds-2.x.jar", "share/java/a-1.0.jar", "etc/maven/settings.xml", "ssl/cacerts", "jvm/17/bin/java", "other/file", "share/maven/lib/own.jar"} {
		write(t, filepath.Join(dir, name), "")
	}
	for name, to := range map[string]string{
		"share/java/a.jar": "a-1.0.jar", "share/maven/lib/a.jar": "../../java/a.jar", "share/maven/conf": filepath.Join(dir, "etc/maven"), "etc/maven/cacerts": "../../ssl/cacerts",
		"jvm/17/src.zip": "../none/src.zip", "share/maven/root": "/", "share/maven/loop": ".", "share/maven/lib/alias.jar": "own.jar",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755), os.Symlink(to, filepath.Join(dir, name))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hostOf(i); !errors.Is(err, settings.ErrNoMaven) || !strings.Contains(err.Error(), "compiles nothing") {
		t.Error(err)
	}
	write(t, filepath.Join(i.Java, "bin/javac"), "")
	h, err := hostOf(i)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range h.mounts {
		if to, is := strings.CutPrefix(m.Target, dir+"/"); is {
			got = append(got, to+"="+strings.TrimPrefix(m.Source, dir+"/"))
		} else if m.Target == "/" {
			t.Error("all of the host is shown")
		}
	}
	slices.Sort(got)
	if want := "etc/maven=etc/maven jvm/17=jvm/17 share/java/a.jar=share/java/a-1.0.jar share/maven=share/maven ssl/cacerts=ssl/cacerts"; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", got, want)
	}
	if h.launcher != filepath.Join(i.Home, "boot/plexus-classworlds-2.x.jar") {
		t.Error(h.launcher)
	}
	if _, err := hostOf(settings.Installation{Home: dir}); !errors.Is(err, settings.ErrNoMaven) {
		t.Error(err)
	}
}

// Of requests only those pass that Maven makes, with nothing but their method and path, and not without end.
func TestGate(t *testing.T) {
	var asked []string
	ctx, end := context.WithCancelCause(t.Context())
	g := newGate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		if len(r.Header) > 0 || r.ContentLength != 0 || r.Host != "" {
			t.Errorf("%+v", r)
		}
		io.WriteString(w, "found")
	}), 3, end)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); g.serve(ctx, l) }()
	status := func(line string) string {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Basic x\r\nRange: bytes=1-\r\nConnection: close\r\n\r\n", line)
		answer, _ := io.ReadAll(c)
		first, _, _ := strings.Cut(string(answer), "\r\n")
		return first
	}
	for line, want := range map[string]string{
		"GET /g/a/1.0/a-1.0.jar": "200 OK", "HEAD /g/a/1.0/a-1.0_x+y~z.pom": "200 OK",
		"POST /g/a": "405", "PUT /g/a/1.0/a-1.0.jar": "405", "OPTIONS *": "405", "CONNECT evil.example:443": "405",
		"GET /g/../../etc/passwd": "404", "GET /g/%2e%2e/x": "404", "GET /g//x": "404", "GET /": "404", "GET /x?y=z": "404", "GET /a%00b": "404", "GET /a%20b": "404",
		"GET /g/./x": "404", "GET /g/..": "404", "GET /" + strings.Repeat("a", maxPath): "404", "GET http://evil.example/x?y": "404",
		"GET /" + strings.Repeat("a", 64<<10): "431", "nonsense": "400",
	} {
		if got := status(line); !strings.Contains(got, want) {
			t.Errorf("%.80s: %s, want %s", line, got, want)
		}
	}
	if got := strings.Join(asked, ","); len(asked) != 2 || !strings.Contains(got, "GET /g/a/1.0/a-1.0.jar") || !strings.Contains(got, "HEAD /g/a/1.0/a-1.0_x+y~z.pom") {
		t.Error(got)
	}
	if got := status("GET http://evil.example/x"); !strings.Contains(got, "200") || asked[2] != "GET /x" {
		t.Errorf("%s %s", got, asked)
	}
	status("GET /one/too/many")
	refused(t, "a flood", at("pom.xml", asFailure(context.Cause(ctx))), Limit, "more files than any needs")
	l.Close()
	<-served
}

// Connections that nobody ends are bounded, count, and keep nobody waiting at the end.
func TestGateConnections(t *testing.T) {
	ctx, end := context.WithCancelCause(t.Context())
	g := newGate(http.NotFoundHandler(), 10, end)
	g.most = 64
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); g.serve(ctx, l) }()
	for range g.most + 11 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	<-ctx.Done()
	refused(t, "connections", at("pom.xml", asFailure(context.Cause(ctx))), Limit, "more files than any needs")
	l.Close()
	<-served
}

// Who serves returns only when no answer is under way.
func TestGateWaits(t *testing.T) {
	var done atomic.Bool
	began := make(chan struct{})
	g := newGate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		time.Sleep(50 * time.Millisecond)
		done.Store(true)
	}), 10, func(error) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); g.serve(t.Context(), l) }()
	go http.Get("http://" + l.Addr().String() + "/x")
	<-began
	l.Close()
	if <-served; !done.Load() {
		t.Error("it has not waited")
	}
}

// The reason is read out of what mvn says.
func TestFailure(t *testing.T) {
	for text, want := range map[string]string{
		"[INFO] x\n[ERROR] [ERROR] Some problems were encountered while processing the POMs:\n[FATAL] Non-parseable POM /build/project/pom.xml: end tag @ line 1\n[ERROR] The build could not read 1 project -> [Help 1]\n": "bad-pom: Non-parseable POM /build/project/pom.xml: end tag @ line 1",
		"[ERROR] Failed to execute goal on project x: Could not resolve dependencies for project g:x:jar:1: Could not find artifact g:a:jar:1.0 in mirror -> [Help 1]\n":                                                    "not-found: Failed to execute goal on project x: Could not resolve dependencies for project g:x:jar:1: Could not find artifact g:a:jar:1.0 in mirror",
		"[ERROR] Could not transfer artifact g:a:pom:1 from/to mirror: status code: 502, reason phrase: Bad Gateway (502)\n":                                                                                                "not-served: Could not transfer",
		"[ERROR] COMPILATION ERROR : \n[ERROR] /build/project/src/A.java:[1,2] ';' expected\n[ERROR] Failed to execute goal\n":                                                                                              "build-failed: /build/project/src/A.java:[1,2] ';' expected",
		"[ERROR] \x1b[31mred\x1b[0m\u202e evil\n":        "build-failed: [31mred [0m evil",
		"Error occurred during initialization of VM\n\n": "build-failed: Error occurred during initialization of VM",
		"": "build-failed: mvn ended with status 1 and said nothing",
		"[ERROR] " + strings.Repeat("long ", 1000): "build-failed: long long",
	} {
		f := failureOf(&sandbox.Result{Status: 1, Log: []byte(text)}, sandbox.Limits{})
		if err := at("pom.xml", f); err == nil || !strings.HasPrefix(err.Error(), "pom.xml: "+want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	refused(t, "time", at("x", failureOf(&sandbox.Result{Limit: sandbox.LimitTime, Status: 137}, sandbox.Limits{Time: time.Minute})), Limit, "did not end within 1m0s")
	if err := at("x", failureOf(&sandbox.Result{}, sandbox.Limits{})); err != nil {
		t.Error(err)
	}
}
