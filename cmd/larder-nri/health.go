package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"larder/cmd/internal/readiness"
)

// health tells others whether the plugin is registered: a file, and the service manager.
type health struct {
	path string

	mu    sync.Mutex
	on    bool
	since bool // it was registered since the last look
}

// connecting takes away what an earlier process may have left.
func (h *health) connecting() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = os.Remove(h.path)
}

// registered is called when the runtime has told all there is.
func (h *health) registered(runtime string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.on, h.since = true, true
	err := readiness.Write(h.path, runtime)
	state := "registered with " + runtime
	if err != nil {
		state += "; " + err.Error()
	}
	notify("READY=1\nSTATUS=" + state)
}

// lost is called when the connection is gone.
func (h *health) lost() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = os.Remove(h.path)
	h.on = false
	notify("STATUS=waiting for the container runtime")
}

// was says whether the plugin was registered since it was asked last.
func (h *health) was() (since bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	since, h.since = h.since, false
	return since
}

// beat touches the file, and tells the service manager's watchdog that the process is not stuck.
func (h *health) beat(ctx context.Context) {
	tick := time.NewTicker(readiness.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			h.mu.Lock()
			if h.on {
				_ = os.Chtimes(h.path, now, now)
			}
			h.mu.Unlock()
			notify("WATCHDOG=1")
		}
	}
}

// notify tells the service manager, if there is one (sd_notify(3)).
func notify(state string) {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}) // it knows of @
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = io.WriteString(c, state)
}

// ready is the command that a probe runs.
func ready(path string, stdout *os.File, log *slog.Logger) int {
	s, err := readiness.Read(path, time.Now())
	if err != nil {
		log.Error("not registered: " + err.Error())
		return exitError
	}
	fmt.Fprintln(stdout, s)
	return exitOK
}
