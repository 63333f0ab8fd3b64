package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// journal is where the hook's one line goes.
type journal struct {
	stderr *os.File
	file   string // instead of the system log
}

// syslog is the socket of the system log, as syslog(3) knows it.
const syslog = "/dev/log"

// write never blocks and never fails: a full or dead log must not hold up a
// container.
func (l journal) write(line string, trouble bool) {
	line = oneLine(line)
	if trouble {
		fmt.Fprintln(l.stderr, "larder-hook: "+line)
	}
	if l.file != "" {
		fd, err := unix.Open(l.file, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
		if err != nil {
			fmt.Fprintf(l.stderr, "larder-hook: open log %s: %v\n", l.file, err)
			return
		}
		defer unix.Close(fd)
		_, _ = unix.Write(fd, []byte(time.Now().UTC().Format(time.RFC3339)+" "+line+"\n"))
		return
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	const daemon = 3 << 3
	level := 6 // info
	if trouble {
		level = 4 // warning
	}
	message := "<" + strconv.Itoa(daemon|level) + ">larder-hook[" + strconv.Itoa(os.Getpid()) + "]: " + line
	_ = unix.Sendto(fd, []byte(message), 0, &unix.SockaddrUnix{Name: syslog})
}

// oneLine makes text a single line of printable characters, of a length that
// a log takes: parts of it are a container's words.
func oneLine(s string) string {
	const most = 1500
	var b strings.Builder
	for _, r := range s {
		if b.Len() > most {
			b.WriteString("...")
			break
		}
		if unicode.IsPrint(r) && r != unicode.ReplacementChar {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}
