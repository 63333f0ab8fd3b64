package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"larder/snapshot"
)

// A plugin that is registered touches its file every interval; one that has not for stale is dead,
// stopped, or no longer registered.
const (
	interval = 2 * time.Second
	stale    = 10 * time.Second
)

// health tells others whether the plugin is registered: a file, and the service manager.
type health struct {
	path string

	mu    sync.Mutex
	on    bool
	since bool // it was registered since the last look
}

// status is the file's content.
type status struct {
	PID     int       `json:"pid"`
	Runtime string    `json:"runtime"`
	Since   time.Time `json:"since"`
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
	b, err := json.Marshal(status{os.Getpid(), runtime, time.Now().UTC().Truncate(time.Second)})
	if err == nil {
		_ = os.MkdirAll(filepath.Dir(h.path), 0o755)
		err = snapshot.WriteFile(h.path, append(b, '\n'), 0o644)
	}
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
	tick := time.NewTicker(interval)
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
	s, err := readStatus(path, time.Now())
	if err != nil {
		log.Error("not registered: " + err.Error())
		return exitError
	}
	fmt.Fprintf(stdout, "registered with %s since %s\n", s.Runtime, s.Since.Format(time.RFC3339))
	return exitOK
}

func readStatus(path string, now time.Time) (s status, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return s, err
	}
	if age := now.Sub(info.ModTime()); age > stale {
		return s, fmt.Errorf("%s was last touched %v ago: the plugin is dead or stopped", path, age.Truncate(time.Second))
	}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}
