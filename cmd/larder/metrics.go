package main

import (
	"larder/builder"
	"larder/snapshot"
)

// writeMetrics puts the state of a store into a file, in the text format of Prometheus, by rename: the
// collector of its node exporter, which is not root, reads it whole. What goes wrong is a warning.
func writeMetrics(s *snapshot.Store, path string) {
	if path == "" {
		return
	}
	text, err := metricsText(s)
	if err == nil {
		err = snapshot.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		warnf("write metrics: %v", err)
	}
}

func metricsText(s *snapshot.Store) (string, error) {
	history, err := builder.History(s)
	if err != nil {
		return "", err
	}
	text := ""
	if last, success := builder.LastBuild(history); !last.Time.IsZero() {
		text = builder.Metrics(last, success)
	}
	return text, nil
}
