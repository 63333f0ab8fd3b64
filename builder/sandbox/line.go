package sandbox

import (
	"strings"
	"unicode"
)

// Line is what a command says, or calls a file, as one line that a terminal shows as it is: of most characters at
// most, without what does not print.
func Line(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}
