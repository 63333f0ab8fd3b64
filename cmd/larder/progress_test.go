package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"larder/builder"
)

// aBuild are the events of a small build, in their order.
func aBuild() (events []builder.Event) {
	for i := range 3 {
		events = append(events, builder.Event{Stage: "plan", Done: i + 1, Total: 3})
	}
	for i := range 40 {
		events = append(events, builder.Event{Stage: "fetch", Done: i + 1, Total: 40, Bytes: int64(i+1) * 1_000_000},
			builder.Event{Stage: "unpack", Done: i + 1, Total: 40, Bytes: int64(i+1) * 1_000_000})
	}
	return append(events, builder.Event{Stage: "seal", Done: 1, Total: 2, Bytes: 40_000_000},
		builder.Event{Stage: "seal", Done: 2, Total: 2, Bytes: 40_000_000}, builder.Event{Stage: "publish", Bytes: 40_000_000})
}

// terminal is a pseudo-terminal: what a program writes to its end can be read from the other.
func terminal(t *testing.T) (program *os.File, screen func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100})
	}
	if err == nil {
		program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	drawn := make(chan string)
	go func() {
		b, _ := io.ReadAll(master) // ends with EIO when the program's end is closed
		drawn <- string(b)
	}()
	return program, func() string {
		program.Close()
		defer master.Close()
		return <-drawn
	}
}

// On a terminal every stage has a bar, the one that waits for a line its bytes, and a warning stands
// on a line of its own.
func TestProgressBars(t *testing.T) {
	out, screen := terminal(t)
	p := newProgress(out, false)
	if p.bars == nil {
		t.Fatal("a terminal, and no bars")
	}
	for _, e := range aBuild() {
		p.event(e)
	}
	p.warn("the index\x1b[2J is slow")
	time.Sleep(300 * time.Millisecond) // twice the bars' refresh
	p.done()
	got := screen()
	for _, want := range []string{"plan ", "fetch ", "unpack ", "seal ", "publish", "40/40", "40 MB", `larder: warning: the index\x1b[2J is slow`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "larder: seal") {
		t.Error("plain lines among the bars")
	}
}

// Elsewhere it is a few plain lines, and none with --quiet; warnings are said by both.
func TestProgressLines(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		out, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
		if err != nil {
			t.Fatal(err)
		}
		p := newProgress(out, quiet)
		for _, e := range aBuild() {
			p.event(e)
		}
		p.warn("slow")
		p.done()
		want := "larder: plan 1 of 3\nlarder: plan 3 of 3\nlarder: fetch 1 of 40, 1.0 MB fetched\nlarder: fetch 40 of 40, 40 MB fetched\n" +
			"larder: unpack 40 of 40\nlarder: seal 1 of 2\nlarder: seal 2 of 2\nlarder: publish\n"
		if quiet {
			want = ""
		}
		if got, err := os.ReadFile(out.Name()); err != nil || string(got) != want+"larder: warning: slow\n" {
			t.Errorf("quiet %v: %v, %s", quiet, err, got)
		}
		out.Close()
	}
}

// A long stage says how far it is now and then.
func TestProgressNowAndThen(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := newProgress(out, false)
	p.event(builder.Event{Stage: "fetch", Done: 1, Total: 9})
	p.event(builder.Event{Stage: "fetch", Done: 2, Total: 9})
	p.last = time.Now().Add(-2 * lineEvery)
	p.event(builder.Event{Stage: "fetch", Done: 3, Total: 9, Bytes: 5_000_000})
	said := verifyLines(out, 0)
	said(1_000_000, 2_000_000)
	if got, err := os.ReadFile(out.Name()); err != nil || string(got) != "larder: fetch 1 of 9, 0 B fetched\nlarder: fetch 3 of 9, 5.0 MB fetched\nlarder: verify 1.0 MB of 2.0 MB\n" {
		t.Errorf("%v: %s", err, got)
	}
}
