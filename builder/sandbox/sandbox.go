package sandbox

import (
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"larder/overlay"
)

// ErrUnsupported means that this host runs no such container; a Hint says what it lacks.
var ErrUnsupported = overlay.ErrUnsupported

// Spec is one command in a container without network, but for who serves it.
type Spec struct {
	Args, Env []string // the program by its path in the container; all of its environment, but for HOME=/ where it has none
	Dir       string   // working directory in the container; "": /build
	Mounts    []Mount
	Files     map[string][]byte // small files laid into the container's root, by absolute path; mode 0555
	Limits    Limits
	Vary      int // 0 or 1: see the package comment
	// Serve, if any, gets the only socket that the container's network leads to, at ServeAddress there. It
	// is closed once the command has ended, and Run waits for Serve to return.
	Serve func(net.Listener)
}

// Mount shows a file or directory of the host, with what is mounted below it, read-only in the container.
type Mount struct{ Source, Target string }

// Limits is what a command may take. What is 0 is the default.
type Limits struct {
	Time      time.Duration // wall time; 600 s
	Memory    int64         // bytes, of all processes; 2 GiB. What they wrote to a tmpfs is not counted
	Processes int           // and threads, at one time; 512
	Output    int64         // bytes, of /out, /build, /tmp and /dev/shm together; 1 GiB. One file for 8 KiB of it. In variant 0 it is memory
	Log       int64         // bytes, of standard output and error together; 1 MiB. One more ends the command
}

// The names of limits in [Result].
const (
	LimitTime      = "time"
	LimitMemory    = "memory"
	LimitProcesses = "processes"
	LimitOutput    = "output"
	LimitLog       = "log"
)

// Result is what came of a command. Its files are there until Close.
type Result struct {
	Log    []byte   // standard output and error, as they came
	Status int      // as a shell's: 128 and the signal's number for one that was killed
	Limit  string   // which limit it met, or ""; it was ended then
	Output *os.Root // what it left in /out; as hostile as the command is: links to anywhere, fifos that block, files with holes of any size
}

// Close lets go of the command's files. They end with it.
func (r *Result) Close() error { return r.Output.Close() }

// Runner runs commands. It may run several at once.
type Runner struct {
	dir     *os.File // held, so that nobody takes our control groups for those of the dead
	runtime []string // the program, and what it is told each time
	groups  groups
}

// Open finds a runtime and tries it. dir is a directory for scratch files, on a file system that has
// space for the output of each command that runs at a time; whatever is killed, no file is left there.
func Open(dir string) (*Runner, error) {
	if os.Geteuid() != 0 {
		return nil, &overlay.Problem{Kind: ErrUnsupported, Text: "no container: only root makes its mounts", Advice: "run it as root"}
	}
	d, err := os.OpenFile(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	r := &Runner{dir: d}
	err = r.openGroups()
	if err == nil {
		err = r.findRuntime()
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return r, nil
}

// Close ends the use of the scratch directory. Results stay usable.
func (r *Runner) Close() error { return r.dir.Close() }

// filled are the limits with the defaults for what is 0.
func (l Limits) filled() Limits {
	if l.Time == 0 {
		l.Time = 600 * time.Second
	}
	if l.Memory == 0 {
		l.Memory = 2 << 30
	}
	if l.Processes == 0 {
		l.Processes = 512
	}
	if l.Output == 0 {
		l.Output = 1 << 30
	}
	if l.Log == 0 {
		l.Log = 1 << 20
	}
	return l
}
