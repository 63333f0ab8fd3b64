package event

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Printable escapes what could move a terminal's cursor or break a line, so
// that one message stays one line whatever names it quotes.
func Printable(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r != utf8.RuneError && unicode.IsPrint(r):
			b.WriteString(s[:n])
		case n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// Redact takes user, password, query and fragment out of every address in a text: they are where
// indexes and mirrors keep their secrets.
func Redact(s string) string {
	const mark = ":/"
	if !strings.Contains(s, mark) {
		return s
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, mark)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(mark)
		// One slash is left where an address was cleaned as if it were a path.
		if s = rest; strings.HasPrefix(s, "/") {
			b.WriteByte('/')
			s = s[1:]
		} else if !strings.HasSuffix(before, "http") && !strings.HasSuffix(before, "https") {
			continue
		}
		end := strings.IndexFunc(s, endsAddress)
		if end < 0 {
			end = len(s)
		}
		b.WriteString(public(s[:end]))
		s = s[end:]
	}
}

// endsAddress says which characters are not part of an address, but of the sentence around it.
func endsAddress(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("\"'<>`", r) }

// public is what of an address after its scheme is no secret. A comma or a colon that ends it is the
// sentence's.
func public(address string) string {
	bare := strings.TrimRight(address, ".,;:)")
	end := address[len(bare):]
	if q := strings.IndexAny(bare, "?#"); q >= 0 {
		bare = bare[:q]
	}
	authority, path, slash := strings.Cut(bare, "/")
	// A password may hold a slash that nobody escaped: up to the last "@", all is taken for it.
	if at := strings.LastIndexByte(bare, '@'); at >= len(authority) && strings.Contains(authority, ":") {
		return bare[at+1:] + end
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		authority = authority[at+1:]
	}
	if slash {
		authority += "/" + path
	}
	return authority + end
}
