//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// actor is a program that stops at each of its points until it is told to go on.
type actor struct {
	t      testing.TB
	cmd    *exec.Cmd
	points []string
	dir    string
	at     int // the point it is held at, or was last; -1 before the start
	moving bool
	ended  chan struct{}
	err    error
	said   bytes.Buffer
}

func newActor(t testing.TB, cmd *exec.Cmd, dir string, points []string) *actor {
	a := &actor{t: t, cmd: cmd, points: points, dir: dir, at: -1, ended: make(chan struct{})}
	must(t, os.MkdirAll(dir, 0o755))
	var held []string
	for _, p := range points {
		held = append(held, p+"=hold:"+dir)
	}
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LARDER_FAILPOINT=" + strings.Join(held, ",")}
	cmd.Stdout, cmd.Stderr = &a.said, &a.said
	return a
}

func (a *actor) file(point int, suffix string) string {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(": ", r) {
			return '-'
		}
		return r
	}, a.points[point])
	return filepath.Join(a.dir, name+suffix)
}

// blocked is long beside a step of a program: one that takes longer waits for the other.
const blocked = 40 * time.Millisecond

// move lets the program go on to its next point or its end. It returns earlier when the program waits
// for the other, which has to move then.
func (a *actor) move() {
	if !a.moving {
		switch {
		case a.over():
			return
		case a.at < 0:
			a.start()
		default:
			must(a.t, os.WriteFile(a.file(a.at, ".go"), nil, 0o644))
		}
		a.moving = true
	}
	wait := blocked
	if a.at < 0 {
		wait = 20 * time.Second // a start waits for nobody, but it can be slow
	}
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(200 * time.Microsecond) {
		if a.over() {
			a.moving = false
			return
		}
		for next := a.at + 1; next < len(a.points); next++ {
			if _, err := os.Lstat(a.file(next, ".here")); err == nil {
				a.at, a.moving = next, false
				return
			}
		}
	}
}

func (a *actor) start() {
	a.moving = true
	must(a.t, a.cmd.Start())
	go func() { a.err = a.cmd.Wait(); close(a.ended) }()
}

func (a *actor) over() bool {
	select {
	case <-a.ended:
		return true
	default:
		return false
	}
}

// finish lets the program run to its end.
func (a *actor) finish(ctx context.Context) {
	for i := range a.points {
		must(a.t, os.WriteFile(a.file(i, ".go"), nil, 0o644))
	}
	if a.at < 0 && !a.moving && !a.over() {
		a.start()
	}
	select {
	case <-a.ended:
	case <-ctx.Done():
		_ = a.cmd.Process.Kill()
		<-a.ended
		a.err = fmt.Errorf("did not end: %w", ctx.Err())
	}
}
