package event

import (
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Stderr is for a person who watches: the program's name before each line. It takes what is at least
// as grave as least.
func Stderr(f *os.File, program string, least slog.Level) Sink {
	return func(level slog.Level, line string) {
		if level >= least {
			fmt.Fprintln(f, program+": "+line)
		}
	}
}

// Journal is for standard error that the service manager reads into its journal, and nil where it is
// anything else. variable is $JOURNAL_STREAM: device and inode of the stream that the manager made,
// as systemd.exec(5) has it.
func Journal(f *os.File, variable string) Sink {
	device, inode, found := strings.Cut(variable, ":")
	var st unix.Stat_t
	if !found || unix.Fstat(int(f.Fd()), &st) != nil ||
		device != strconv.FormatUint(uint64(st.Dev), 10) || inode != strconv.FormatUint(st.Ino, 10) {
		return nil
	}
	return func(level slog.Level, line string) {
		// One write: another process of the unit writes to the same stream.
		fmt.Fprintf(f, "<%d>%s\n", priority(level), line)
	}
}

// syslog is the socket of the system log, as syslog(3) knows it.
const syslog = "/dev/log"

// Syslog is the system log of the host, under the program's name. A full or dead log holds nobody up.
func Syslog(program string) Sink {
	return func(level slog.Level, line string) { send(priority(level), syslog, program, line) }
}

func send(priority int, socket, program, line string) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	const daemon = 3 << 3
	message := "<" + strconv.Itoa(daemon|priority) + ">" + program + "[" + strconv.Itoa(os.Getpid()) + "]: " + line
	_ = unix.Sendto(fd, []byte(message), 0, &unix.SockaddrUnix{Name: socket})
}

// File appends to a file, each line with its time. What goes wrong is said to trouble.
func File(path string, trouble Sink) Sink {
	return func(level slog.Level, line string) {
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err != nil {
			trouble(slog.LevelError, fmt.Sprintf("open log %s: %v", path, err))
			return
		}
		defer unix.Close(fd)
		_, _ = unix.Write(fd, []byte(time.Now().UTC().Format(time.RFC3339)+" "+line+"\n"))
	}
}

// priority is a level as syslog(3) counts.
func priority(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return 3
	case level >= slog.LevelWarn:
		return 4
	case level >= slog.LevelInfo:
		return 6
	}
	return 7
}
