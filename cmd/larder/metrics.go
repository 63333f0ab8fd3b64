package main

import (
	"github.com/urfave/cli/v2"

	"larder/builder"
	"larder/popularity/usage"
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
	weeks, err := usage.Load(s, stocks(s))
	return text + usage.Metrics(weeks.Total()), err
}

func metricsFlag() cli.Flag {
	return &cli.StringFlag{Name: "metrics", Usage: "write builds and usage to `FILE`, in Prometheus' text format"}
}
