package event

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// kept is a logger whose lines are looked at.
func kept() (*slog.Logger, *[]string) {
	var lines []string
	return New(func(level slog.Level, line string) {
		lines = append(lines, fmt.Sprintf("%d %s", priority(level), line))
	}), &lines
}

func TestLines(t *testing.T) {
	log, lines := kept()
	log.Info("published", "snapshot", "ab12", "artifacts", 7, "current", true, "seconds", 1.25, "why", "two words", "none", "")
	log.With("command", "gc").WithGroup("g").With("a", 1).Warn("took", slog.Group("ms", slog.Float64("state", 0.5)), slog.Attr{})
	log.Error(`said "no"`, "at", 3*time.Second, "path", `a\b`, "equals", "a=b")
	log.Debug("x", slog.Group("empty"))
	for i, want := range []string{
		`6 published snapshot=ab12 artifacts=7 current=true seconds=1.25 why="two words" none=""`,
		`4 took command=gc g.a=1 g.ms.state=0.5`,
		`3 said "no" at=3s path="a\\b" equals="a=b"`,
		`7 x`,
	} {
		if (*lines)[i] != want {
			t.Errorf("%s, want %s", (*lines)[i], want)
		}
	}
}

// One event is one printable line of bounded length, whatever words are in it.
func TestHostileWords(t *testing.T) {
	log, lines := kept()
	const evil = "a\n<0>forged\x1b[31m\xffc\u202ed\x00\u2028"
	log.Info(evil, "value", evil, evil, "key")
	log.Info(strings.Repeat("x", 1<<20), "value", strings.Repeat("é", 1<<20))
	if got := (*lines)[0]; strings.ContainsAny(got, "\n\x1b\x00\u202e\u2028") || !utf8.ValidString(got) || !strings.Contains(got, `a\x0a<0>forged`) {
		t.Errorf("%q", got)
	}
	if got := (*lines)[1]; len(got) > 2600 || !strings.HasSuffix(got, `é..."`) && !strings.HasSuffix(got, "é...") {
		t.Errorf("%d bytes, %q", len(got), got[max(0, len(got)-20):])
	}
}

// Of an address only scheme, host and path are ever written.
func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"no address": "no address",
		"get https://u:secret@index.example:8443/simple/a?sig=secret&x=1#secret: 403": "get https://index.example:8443/simple/a: 403",
		`"http://secret@h/"`: `"http://h/"`,
		"http://h/p?secret, then https://u:sec/ret@h/q (socks5://u:secret@proxy:1)": "http://h/p, then https://h/q (socks5://proxy:1)",
		"https://h/@scope/name":      "https://h/@scope/name",
		"http://h?secret":            "http://h",
		"https://u:p@w:secret@h":     "https://h",
		"https:/u:secret@h/a?secret": "https:/h/a",
		"open log:/a@b?c":            "open log:/a@b?c",
		"a://":                       "a://",
		"://u:secret@h?q ://h":       "://h ://h",
		"https://h/pa%20th\nnext":    "https://h/pa%20th\nnext",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	log, lines := kept()
	log.With("with", "https://u:secret@h/a?secret").Error("https://u:secret@h/b?secret", "error", fmt.Errorf("https://u:secret@h/c?secret"), slog.Group("g", "d", "https://u:secret@h/d?secret"))
	if got := (*lines)[0]; strings.Contains(got, "secret") || !strings.Contains(got, "g.d=https://h/d") {
		t.Error(got)
	}
}

// Standard error is the journal when device and inode are those that the manager named.
func TestJournal(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	is := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	for _, not := range []string{"", ":", is + "0", "0:" + is, fmt.Sprint(st.Ino), "x:y"} {
		if Journal(f, not) != nil {
			t.Errorf("%q is no name of %s", not, is)
		}
	}
	log := New(Journal(f, is), Stderr(f, "prog", slog.LevelWarn))
	log.Info("one", "a", 1)
	log.Error("two\nlines")
	got, err := os.ReadFile(f.Name())
	if want := "<6>one a=1\n<3>two\\x0alines\nprog: two\\x0alines\n"; err != nil || string(got) != want {
		t.Errorf("%v: %s", err, got)
	}
}

// The system log's socket gets one datagram for each event, and a log that nobody reads is no fault.
func TestFileAndSyslog(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	troubled := ""
	trouble := func(_ slog.Level, line string) { troubled = line }
	log := New(File(path, trouble), File(filepath.Join(dir, "absent/log"), trouble), Syslog("prog"))
	log.Warn("a", "b", "c d")
	got, err := os.ReadFile(path)
	if when, line, _ := strings.Cut(string(got), " "); err != nil || line != "a b=\"c d\"\n" || len(when) != len("2026-01-02T15:04:05Z") {
		t.Errorf("%v: %q", err, got)
	}
	if !strings.Contains(troubled, "no such file") {
		t.Error(troubled)
	}
	t.Chdir(dir) // a socket's path is short
	socket, err := net.ListenPacket("unixgram", "socket")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	send(priority(slog.LevelWarn), "socket", "prog", "a line")
	b := make([]byte, 100)
	n, _, err := socket.ReadFrom(b)
	if want := fmt.Sprintf("<28>prog[%d]: a line", os.Getpid()); (err != nil && err != io.EOF) || string(b[:n]) != want {
		t.Errorf("%v: %s, want %s", err, b[:n], want)
	}
}
