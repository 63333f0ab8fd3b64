package bytecode

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errCrashed is what a worker died of when the interpreter itself failed.
var errCrashed = errors.New("the interpreter crashed")

var errTimeout = errors.New("took too long")

// worker is one process of the interpreter.
type worker struct {
	cmd      *exec.Cmd
	may      allowance
	in       *bufio.Writer
	inPipe   io.Closer
	out      *bufio.Reader
	stderr   *tail
	magic    [4]byte
	cacheTag string
	minor    int
	timedOut bool // set by receive, read after it
}

// startWorker starts a process and waits until it is ready.
func startWorker(c *Compiler, may allowance) (*worker, error) {
	exe := c.executable
	// Not -I: that ignores PYTHONHASHSEED. The environment is all ours instead, and
	// the program takes the working directory out of its path first.
	cmd := exec.CommandContext(c.ctx, exe, "-s", "-S", "-B", "-W", "ignore", "-c", c.program,
		strconv.FormatInt(may.memory, 10), strconv.Itoa(may.code))
	cmd.Dir = "/"
	cmd.Env = []string{"PYTHONHASHSEED=0", "PYTHONUTF8=1"}
	if v, ok := os.LookupEnv("LD_LIBRARY_PATH"); ok {
		// Some interpreters find their own library with it.
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+v)
	}
	w := &worker{cmd: cmd, may: may, stderr: &tail{}}
	cmd.Stderr = w.stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.in, w.inPipe, w.out = bufio.NewWriterSize(in, 64<<10), in, bufio.NewReaderSize(out, 64<<10)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the compiler: %w", err)
	}
	if err := w.handshake(); err != nil {
		w.stop()
		if c.ctx.Err() != nil {
			return nil, c.ctx.Err()
		}
		return nil, fmt.Errorf("start the compiler %s: %w: %s", exe, err, w.stderr.line())
	}
	return w, nil
}

func (w *worker) handshake() error {
	var head [12]byte
	if _, err := io.ReadFull(w.out, head[:]); err != nil {
		return err
	}
	w.magic = [4]byte(head[:])
	w.minor = int(binary.LittleEndian.Uint32(head[4:]))
	size := binary.LittleEndian.Uint32(head[8:])
	if w.minor > 99 || size == 0 || size > 64 {
		return errors.New("no answer a Python gives")
	}
	tag := make([]byte, size)
	if _, err := io.ReadFull(w.out, tag); err != nil {
		return err
	}
	w.cacheTag = string(tag)
	return nil
}

// serve sends the backlog and then the compiler's jobs, a few ahead of the
// replies. It returns when the process has died or the compiler is closed: what
// was not answered, oldest first, and what the process died of.
func (w *worker) serve(c *Compiler, backlog []*Job) (left []*Job, cause error) {
	sent := make(chan *Job, window)
	done := make(chan struct{})
	go func() {
		defer close(done)
		left = w.receive(sent, c.timeout)
	}()
	// next is the next job to send, nil when there will be none.
	next := func() *Job {
		if len(backlog) > 0 {
			return backlog[0]
		}
		select {
		case j := <-c.jobs:
			backlog = append(backlog, j)
			return j
		case <-done:
		case <-c.ctx.Done():
		}
		return nil
	}
	for alive := true; alive; {
		j := next()
		if j == nil {
			break
		}
		select {
		case sent <- j:
			backlog = backlog[1:]
			alive = w.send(j) == nil
		case <-done:
			alive = false
		}
	}
	close(sent)
	<-done
	for j := range sent {
		left = append(left, j)
	}
	return append(left, backlog...), w.cause()
}

// receive answers the jobs in the order they were sent, until there are no more
// or the process has died; it returns the one that then has no answer.
func (w *worker) receive(sent <-chan *Job, timeout time.Duration) []*Job {
	for j := range sent {
		start := time.Now()
		watchdog := time.AfterFunc(timeout, func() { w.cmd.Process.Kill() })
		code, err := w.reply()
		watchdog.Stop()
		if err != nil {
			w.timedOut = time.Since(start) >= timeout
			return []*Job{j}
		}
		j.finish(code, nil)
	}
	return nil
}

func (w *worker) send(j *Job) error {
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], uint32(len(j.path)))
	binary.LittleEndian.PutUint32(head[4:], uint32(len(j.source)))
	w.in.Write(head[:]) // a bufio.Writer keeps its first error for Flush
	w.in.WriteString(j.path)
	w.in.Write(j.source)
	return w.in.Flush()
}

func (w *worker) reply() ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(w.out, head[:]); err != nil {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(head[1:]))
	if size > int64(w.may.code) {
		return nil, errors.New("more code than allowed")
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(w.out, data); err != nil {
		return nil, err
	}
	if head[0] != '+' {
		return nil, nil
	}
	if code, err := canonical(data, w.minor); err == nil {
		return code, nil
	}
	return data, nil
}

// cause says what a dead worker died of.
func (w *worker) cause() error {
	w.stop()
	if w.timedOut {
		return errTimeout
	}
	if st, ok := w.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		switch st.Signal() {
		case unix.SIGSEGV, unix.SIGBUS, unix.SIGABRT, unix.SIGILL, unix.SIGFPE:
			return errCrashed
		}
	}
	return fmt.Errorf("the interpreter ended: %s: %s", w.cmd.ProcessState, w.stderr.line())
}

// stop ends the process and waits for it. It may be called more than once.
func (w *worker) stop() {
	if w.cmd.ProcessState != nil {
		return
	}
	w.inPipe.Close()
	w.cmd.Process.Kill()
	w.cmd.Wait()
}

// tail keeps the end of what a process says.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 4096 {
		t.b = t.b[len(t.b)-4096:]
	}
	return len(p), nil
}

// line is the last line of it, which in Python names the error.
func (t *tail) line() string {
	s := strings.TrimSpace(string(t.b))
	return s[strings.LastIndexByte(s, '\n')+1:]
}
