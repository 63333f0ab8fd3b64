package sandbox

import (
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain": "plain", " a\tb\r\n c ": "a b c", "\x1b[31mred\u202e\x00": "[31mred", "half \xff": "half ?",
		strings.Repeat("ä", 10): strings.Repeat("ä", 10), strings.Repeat("ä", 11): strings.Repeat("ä", 10) + "…",
	} {
		if got := Line(text, 10); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
