package manylinux

import (
	"slices"
	"strings"
)

// Rename is the file name of a wheel with another platform.
func Rename(filename, platform string) string {
	stem := strings.TrimSuffix(filename, ".whl")
	return stem[:strings.LastIndexByte(stem, '-')+1] + platform + ".whl"
}

// Retag is the text of a file WHEEL whose tags have another platform; each tag once.
func Retag(text, platform string) string {
	var b strings.Builder
	var seen []string
	for row := range strings.Lines(text) {
		key, value, ok := strings.Cut(row, ":")
		if ok && strings.EqualFold(strings.TrimSpace(key), "Tag") {
			tag := strings.TrimSpace(value)
			if row = "Tag: " + tag[:strings.LastIndexByte(tag, '-')+1] + platform + "\n"; slices.Contains(seen, row) {
				continue
			}
			seen = append(seen, row)
		}
		b.WriteString(row)
	}
	return b.String()
}
