package sandbox

import (
	"testing"
	"time"
)

func TestMountLimits(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  Spec
		limit string
	}{
		{"processes", deed(t, "fork"), LimitProcesses},
		{"memory", deed(t, "eat"), LimitMemory},
		{"output", deed(t, "fill", "/out/flood"), LimitOutput},
		{"tmp", deed(t, "fill", "/tmp/flood"), LimitOutput},
		{"shm", deed(t, "fill", "/dev/shm/flood"), LimitOutput},
		{"files", deed(t, "litter"), LimitOutput},
		{"time", deed(t, "sleep"), LimitTime},
		{"log", deed(t, "chatter"), LimitLog},
	} {
		c.spec.Limits = Limits{Time: 20 * time.Second, Memory: 64 << 20, Processes: 100, Output: 16 << 20}
		if c.limit == LimitProcesses {
			c.spec.Limits.Memory = 1 << 30
		}
		if c.limit == LimitTime {
			c.spec.Limits.Time = 500 * time.Millisecond
		}
		t.Run(c.name, func(t *testing.T) {
			both(t, c.spec, func(t *testing.T, got *Result) {
				if got.Limit != c.limit || got.Status == 0 {
					t.Errorf("limit %q, status %d, log %.2000s", got.Limit, got.Status, got.Log)
				}
				if len(got.Log) > 1<<20 || c.limit == LimitLog && len(got.Log) != 1<<20 {
					t.Errorf("a log of %d bytes", len(got.Log))
				}
			})
		})
	}
}

// Without groups, too, each limit ends a command.
func TestMountLimitsWithoutGroups(t *testing.T) {
	r := open(t)
	r.groups = groups{prefix: r.groups.prefix}
	for name, limit := range map[string]string{"fork": LimitProcesses, "eat": LimitMemory, "nothing": ""} {
		s := deed(t, name)
		s.Limits = Limits{Time: 20 * time.Second, Memory: 256 << 20, Processes: 100, Output: 16 << 20}
		if got := run(t, r, s); got.Limit != limit {
			t.Errorf("%s: limit %q, status %d, log %.2000s", name, got.Limit, got.Status, got.Log)
		}
	}
	leaveNothing(t, r)
}
