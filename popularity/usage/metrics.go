package usage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Metrics is all that was ever counted, in the text format of Prometheus: counters, which never fall.
func Metrics(total Count) string {
	var b strings.Builder
	head := func(name, help string) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s counter\n", name, help, name)
	}
	head("larder_attaches_total", "Containers and commands that got a snapshot and have ended.")
	fmt.Fprintf(&b, "larder_attaches_total{kind=\"command\"} %d\n", total.Commands)
	fmt.Fprintf(&b, "larder_attaches_total{kind=\"container\"} %d\n", total.Containers)
	for _, row := range []struct {
		name, help string
		value      func(Client) int64
	}{
		{"larder_client_attaches_total", "Attaches that have ended, by client.", func(c Client) int64 { return c.Attaches }},
		{"larder_artifacts_used_total", "Artifacts used from a snapshot, each counted once for an attach.", func(c Client) int64 { return c.Used }},
		{"larder_artifacts_downloaded_total", "Artifacts downloaded because the snapshot lacked them.", func(c Client) int64 { return c.Downloaded }},
		{"larder_spared_bytes_total", "Bytes of the artifacts used from a snapshot, at least.", func(c Client) int64 { return c.SparedBytes }},
	} {
		if len(total.Clients) == 0 {
			break // a metric without a sample says nothing
		}
		head(row.name, row.help)
		for _, client := range slices.Sorted(maps.Keys(total.Clients)) {
			fmt.Fprintf(&b, "%s{client=%q} %d\n", row.name, client, row.value(total.Clients[client]))
		}
	}
	return b.String()
}
