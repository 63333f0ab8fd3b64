package sandbox

import (
	"fmt"
	"testing"
)

// A command's log, status and output come out, from either variant.
func TestMountSandbox(t *testing.T) {
	r := open(t)
	for vary := range 2 {
		t.Run(fmt.Sprint(vary), func(t *testing.T) {
			s := deed(t, "say", "hello")
			s.Vary = vary
			got := run(t, r, s)
			if string(got.Log) != "hello\n" || got.Status != 0 || got.Limit != "" {
				t.Errorf("%q, status %d, limit %q", got.Log, got.Status, got.Limit)
			}
			if text, err := got.Output.ReadFile("said"); err != nil || string(text) != "hello" {
				t.Errorf("output: %q, %v", text, err)
			}
		})
	}
}
