package builder

import (
	"fmt"
	"strings"
	"time"
)

// Metrics is the state of a store after its last build, in the text format of Prometheus; success is
// when one last ended well, zero for never.
func Metrics(run Run, success time.Time) string {
	var b strings.Builder
	gauge := func(name, help string, value float64) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n%s %v\n", name, help, name, name, value)
	}
	gauge("larder_build_last_run_timestamp_seconds", "When the last build ended.", float64(run.Time.Unix()))
	if !success.IsZero() {
		gauge("larder_build_last_success_timestamp_seconds", "When a build last ended well, skips allowed.", float64(success.Unix()))
	}
	gauge("larder_build_exit_code", "Exit code of the last build: 0 and 8 are well.", float64(run.Exit))
	gauge("larder_build_duration_seconds", "How long the last build took.", run.Seconds)
	gauge("larder_build_fetched_bytes", "Bytes of wheels the last build downloaded.", float64(run.Fetched))
	gauge("larder_build_reused_bytes", "Bytes of wheels the last build had already.", float64(run.Reused))
	gauge("larder_build_skipped_projects", "Ranked projects the last build could not have.", float64(run.Skipped))
	if run.Snapshot != "" {
		gauge("larder_snapshot_wheels", "Wheels in the snapshot of the last build.", float64(run.Wheels))
		gauge("larder_snapshot_layers", "Layers in the snapshot of the last build.", float64(run.Layers))
		gauge("larder_snapshot_files", "Distinct files in the snapshot of the last build.", float64(run.Objects))
		gauge("larder_snapshot_bytes", "Bytes of the distinct files in the snapshot of the last build.", float64(run.Bytes))
	}
	return b.String()
}
