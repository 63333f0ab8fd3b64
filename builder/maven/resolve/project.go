package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"larder/builder"
	"larder/builder/maven/settings"
	"larder/builder/sandbox"
)

// Sandbox runs one command that nobody trusts: *sandbox.Runner.
type Sandbox interface {
	Run(ctx context.Context, s sandbox.Spec) (*sandbox.Result, error)
}

// Options are how a project is built. Sandbox and Scratch are needed; of the rest the zero value is a
// sound default.
type Options struct {
	Sandbox  Sandbox
	Scratch  string         // directory of scratch files
	Maven    string         // the program; "": mvn on PATH
	Goals    []string       // and options of mvn; nil: DefaultGoals
	Limits   sandbox.Limits // of the build: 30 min, 3 GiB of memory, 1024 threads, 16 MiB of log, 2 GiB of files beside the project's own
	Requests int            // to the repository; 50,000
	MaxCopy  int64          // bytes of the project; 1 GiB. A file counts 4 KiB at least
}

// DefaultGoals reach every phase but that which uploads. Tests run, as what runs them is fetched only then;
// whether they pass does not matter.
var DefaultGoals = []string{"clean", "install", "-Dmaven.test.failure.ignore=true", "-Dsurefire.timeout=300", "-Dfailsafe.timeout=300"}

func (o *Options) fill() {
	if o.Goals == nil {
		o.Goals = DefaultGoals
	}
	o.Requests, o.MaxCopy = cmp.Or(o.Requests, 50_000), cmp.Or(o.MaxCopy, 1<<30)
	l := &o.Limits
	l.Time, l.Memory, l.Processes = cmp.Or(l.Time, 30*time.Minute), cmp.Or(l.Memory, 3<<30), cmp.Or(l.Processes, 1024)
	l.Output, l.Log = cmp.Or(l.Output, 2<<30), cmp.Or(l.Log, 16<<20)
}

// Where things are in the sandbox.
const (
	sourceDir    = "/project" // as it was copied; read-only
	projectDir   = "/build/project"
	homeDir      = "/build"
	settingsFile = "/settings.xml"
)

// mirrorSettings send whatever Maven asks for to us: what a project names, as well as what others block.
var mirrorSettings = []byte(`<settings><mirrors><mirror><id>mirror</id><mirrorOf>*</mirrorOf><url>http://` + strings.TrimSuffix(sandbox.ServeAddress, ":80") + `</url></mirror></mirrors></settings>
`)

// Project runs mvn on a copy of the project whose POM is at path. A pom.xml brings the directory that it lies
// in, but for what builds left in directories named target; a POM of another name is the whole
// project. repository answers what mvn asks for: GET and HEAD of paths below "/", in the layout of a
// repository, and of a request it sees nothing else. It is called from several goroutines, and no longer once
// Project has returned. Where it does not answer because it cannot, the project's Failure is of no
// interest: only the repository knows why.
func Project(ctx context.Context, path string, repository http.Handler, o Options) error {
	o.fill()
	if err := checkPOM(path); err != nil {
		return err
	}
	maven, err := settings.FindMaven(ctx, o.Maven)
	var host *host
	if err == nil {
		host, err = hostOf(maven)
	}
	if errors.Is(err, settings.ErrNoMaven) {
		return builder.Lacking(err)
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.Scratch, "maven-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	size, err := copyProject(ctx, path, dir, o.MaxCopy)
	if err != nil {
		return err
	}
	o.Limits.Output += size // its copy
	build, end := context.WithCancelCause(ctx)
	defer end(nil)
	gate := newGate(repository, o.Requests, end)
	s := host.spec(maven, dir, filepath.Base(path), o)
	s.Serve = func(l net.Listener) { gate.serve(build, l) }
	result, err := o.Sandbox.Run(build, s)
	var f *Failure
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &f): // why it was ended
		return at(path, f)
	case err != nil:
		return err
	}
	defer result.Close()
	return at(path, failureOf(result, o.Limits))
}

// spec is the command: what mvn, which is a shell script, would start.
func (h *host) spec(maven settings.Installation, dir, pom string, o Options) sandbox.Spec {
	java := filepath.Join(maven.Java, "bin/java")
	args := []string{"/bin/sh", "-c", `cp -R "$0" "$1" && cd "$1" && shift && exec "$@"`, sourceDir, projectDir, java}
	args = append(args, jvmConfig(dir)...)
	args = append(args, "-classpath", h.launcher, "-Dclassworlds.conf="+filepath.Join(maven.Home, "bin/m2.conf"), "-Dmaven.home="+maven.Home,
		"-Dlibrary.jansi.path="+filepath.Join(maven.Home, "lib/jansi-native"), "-Dmaven.multiModuleProjectDirectory="+projectDir,
		"-Dmaven.mainClass=org.apache.maven.cling.MavenCling", // of 4; 3 knows its own
		"org.codehaus.plexus.classworlds.launcher.Launcher",
		"--batch-mode", "--settings", settingsFile, "--global-settings", settingsFile, "--file", path.Join(projectDir, pom))
	return sandbox.Spec{
		Args: append(args, o.Goals...),
		Dir:  homeDir,
		Env: []string{
			"HOME=" + homeDir, "JAVA_HOME=" + maven.Java, "LANG=C.UTF-8", "PATH=" + filepath.Join(maven.Java, "bin") + ":/bin",
			// Of every JVM, those of tests too. The heap would go by the host's memory.
			fmt.Sprintf("JAVA_TOOL_OPTIONS=-Xmx%dm -XX:CompressedClassSpaceSize=256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC", o.Limits.Memory/3>>20),
		},
		Mounts: append(slices.Clip(h.mounts), sandbox.Mount{Source: dir, Target: sourceDir}),
		Files: map[string][]byte{
			settingsFile:         mirrorSettings,
			"/etc/passwd":        []byte("root:x:0:0::" + homeDir + ":/bin/sh\n"),
			"/etc/group":         []byte("root:x:0:\n"),
			"/etc/hosts":         []byte("127.0.0.1 localhost sandbox\n::1 localhost\n"),
			"/etc/nsswitch.conf": []byte("hosts: files\n"),
		},
		Limits: o.Limits,
	}
}

// jvmConfig are the options for the JVM that a project brings; mvn splits them at white space too.
func jvmConfig(dir string) []string {
	text, err := os.ReadFile(filepath.Join(dir, ".mvn/jvm.config"))
	if err != nil || len(text) > maxPOM {
		return nil
	}
	var options []string
	for text := range strings.Lines(string(text)) {
		if !strings.HasPrefix(strings.TrimSpace(text), "#") {
			options = append(options, strings.Fields(text)...)
		}
	}
	return options
}
