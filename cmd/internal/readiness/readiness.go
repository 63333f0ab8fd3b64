// Package readiness is the file by which the NRI plugin says that a container runtime calls it. The plugin
// writes it, its own `ready` and `larder doctor` read it: the only sign that outlives neither.
package readiness

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"larder/snapshot"
)

// Path is where the file is unless the plugin was told otherwise.
const Path = "/run/larder/nri.json"

// A plugin that is registered touches its file every Interval; one that has not for stale is dead,
// stopped, or no longer registered.
const (
	Interval = 2 * time.Second
	stale    = 10 * time.Second
)

// Status is the file's content.
type Status struct {
	PID     int       `json:"pid"`
	Runtime string    `json:"runtime"` // its name and version, as it tells them
	Since   time.Time `json:"since"`
}

// String is for people.
func (s Status) String() string {
	return fmt.Sprintf("registered with %s since %s", s.Runtime, s.Since.Format(time.RFC3339))
}

// Write says that this process is registered.
func Write(path, runtime string) error {
	b, err := json.Marshal(Status{os.Getpid(), runtime, time.Now().UTC().Truncate(time.Second)})
	return errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o755), snapshot.WriteFile(path, append(b, '\n'), 0o644))
}

// Read fails when no plugin is registered now.
func Read(path string, now time.Time) (s Status, err error) {
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
