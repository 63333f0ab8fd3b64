package pep508

// Normalize is the PEP 503 form of a project or extra name: lower case, runs of
// ".", "-" and "_" turned into one "-". It does not check the name.
func Normalize(name string) string {
	var short [64]byte
	b := short[:0]
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-' || c == '_' || c == '.':
			if n := len(b); n == 0 || b[n-1] != '-' {
				b = append(b, '-')
			}
		case c >= 'A' && c <= 'Z':
			b = append(b, c+'a'-'A')
		default:
			b = append(b, c)
		}
	}
	if string(b) == name { // nearly always: nothing is copied
		return name
	}
	return string(b)
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
