// Package journal keeps small files of lines of JSON that many processes append to.
//
// A line is written whole or not at all, unless the machine dies: a line that is torn then stays one
// bad line, and the next is its own. Nothing is synced: what is noted here is not worth a sync, and
// nobody waits for one. A file has a bound, and the older half goes when it is reached.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Append writes v as one line to the file at path, which is made if need be. A file of limit bytes
// or more is halved first.
func Append(path string, v any, limit int64) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := open(path, os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return fmt.Errorf("append line: %w", err)
	}
	defer f.Close()
	if err := halve(f, limit); err != nil {
		return fmt.Errorf("halve %s: %w", path, err)
	}
	torn, err := endsTorn(f)
	if err != nil {
		return fmt.Errorf("append line: %w", err)
	}
	if torn {
		b = append([]byte{'\n'}, b...)
	}
	if _, err := f.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("append line: %w", err)
	}
	return nil
}

// Read returns the file's bytes, at most twice limit of them; none when there is no file.
func Read(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := regular(f); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, 2*limit))
}

// Drain hands the file's bytes to use and empties it when that is well. Nobody appends meanwhile.
// After a kill in between, use is called with the same bytes again, and perhaps more behind them.
func Drain(path string, limit int64, use func([]byte) error) error {
	f, err := open(path, os.O_RDWR|os.O_APPEND)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 2*limit))
	if err == nil && len(b) > 0 {
		if err = use(b); err == nil {
			err = f.Truncate(0)
		}
	}
	return err
}

// open opens and locks a plain file; the lock is gone with the descriptor.
func open(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err = regular(f); err == nil {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			err = &fs.PathError{Op: "lock", Path: path, Err: err}
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// regular refuses what is no plain file: to read a pipe would be to wait.
func regular(f *os.File) error {
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: f.Name(), Err: errors.New("not a plain file")}
	}
	return err
}

// endsTorn says whether a file ends within a line, as a full disk or a crash leaves it.
func endsTorn(f *os.File) (bool, error) {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return false, err
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], st.Size()-1)
	return last[0] != '\n', err
}

// halve drops the older half of a full file. In place: whoever waits for the lock has this very file
// open. A crash in between costs lines, nothing else.
func halve(f *os.File, limit int64) error {
	st, err := f.Stat()
	if err != nil || st.Size() < limit {
		return err
	}
	half := make([]byte, limit/2)
	n, err := f.ReadAt(half, st.Size()-int64(len(half)))
	if err != nil && err != io.EOF {
		return err
	}
	_, whole, _ := bytes.Cut(half[:n], []byte("\n"))
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.Write(whole)
	return err
}
