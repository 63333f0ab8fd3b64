package pep508

import "strings"

// Normalize is the PEP 503 form of a project or extra name: lower case, runs of
// ".", "-" and "_" turned into one "-". It does not check the name.
func Normalize(name string) string {
	if normal(name) {
		return name
	}
	var b strings.Builder
	b.Grow(len(name))
	run := false
	for i := range len(name) {
		c := name[i]
		if c == '-' || c == '_' || c == '.' {
			run = true
			continue
		}
		if run {
			b.WriteByte('-')
			run = false
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b.WriteByte(c)
	}
	if run {
		b.WriteByte('-')
	}
	return b.String()
}

func normal(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c >= 'A' && c <= 'Z' || c == '_' || c == '.' || (c == '-' && i > 0 && name[i-1] == '-') {
			return false
		}
	}
	return true
}

// ValidName tells whether name is a legal project name: ASCII letters, digits,
// ".", "-" and "_", beginning and ending with a letter or digit. The bound of 200
// bytes keeps a normalised name usable as a file name (the index allows 150).
func ValidName(name string) bool {
	if name == "" || len(name) > 200 || !isAlnum(name[0]) || !isAlnum(name[len(name)-1]) {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
