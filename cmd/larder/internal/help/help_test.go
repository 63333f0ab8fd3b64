package help

import (
	"strings"
	"testing"
)

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", 90)
	for _, tc := range []struct{ text, want string }{
		{"", ""},
		{"a  b\nc", "  a b c\n"},
		{strings.Repeat("1234567 ", 10), "  " + strings.Repeat("1234567 ", 9)[:71] + "\n    1234567\n"},
		{"a " + long + " b", "  a\n    " + long + "\n    b\n"},
		{"é " + strings.Repeat("é", 76), "  é " + strings.Repeat("é", 76) + "\n"},
	} {
		if got := wrap(tc.text, 2, 4); got != tc.want {
			t.Errorf("%.20q:\n%q, want\n%q", tc.text, got, tc.want)
		}
	}
}

func TestParagraphs(t *testing.T) {
	got := paragraphs("one\ntwo\n\n    as it is\n\nthree")
	if want := "   one two\n\n       as it is\n\n   three\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What roff would take for itself is written so that it prints as it is.
func TestRoff(t *testing.T) {
	var r roff
	r.text(".so /etc/passwd\n\n    'literal\n    \\back \"é\"\n\n--flag")
	want := ".PP\n\\&.so /etc/passwd\n" +
		".PP\n.RS 4\n.nf\n    \\(aqliteral\n    \\eback \\(dq\\[u00E9]\\(dq\n.fi\n.RE\n" +
		".PP\n\\-\\-flag\n"
	if r.String() != want {
		t.Errorf("%q, want\n%q", r.String(), want)
	}
	r.Reset()
	r.doc("First.\n\n# A part\n\n  - item one\n\nThen:\n\n\tcode .here\n")
	want = ".PP\nFirst.\n.SH A PART\n.IP \\(bu 2\nitem one\n.PP\nThen:\n.PP\n.RS 4\n.nf\ncode .here\n.fi\n.RE\n"
	if r.String() != want {
		t.Errorf("%q, want\n%q", r.String(), want)
	}
}
