package bytecode

import (
	"bytes"
	"testing"
)

func TestCanonical(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"a mark without a reference goes", "\xfa\x03a b", "z\x03a b"},
		{"equal values become one", ")\x02z\x03a bz\x03a b", ")\x02\xfa\x03a br\x00\x00\x00\x00"},
		{"references are renumbered", ")\x03\xfa\x01.\xfa\x03a br\x01\x00\x00\x00", ")\x03z\x01.\xfa\x03a br\x00\x00\x00\x00"},
		{"a container's number comes before its parts'", "\xa9\x02\xa9\x01z\x01.r\x01\x00\x00\x00", ")\x02\xa9\x01z\x01.r\x00\x00\x00\x00"},
		{"a character is interned if it is a name", ")\x03\xda\x01-\xfa\x01aZ\x01-", ")\x03\xfa\x01-Z\x01ar\x00\x00\x00\x00"},
		{"beyond ASCII none is", "\xf4\x02\x00\x00\x00\xc3\xa9", "u\x02\x00\x00\x00\xc3\xa9"},
		{"sets are sorted", ">\x03\x00\x00\x00z\x02b.Nz\x02a.", ">\x03\x00\x00\x00Nz\x02a.z\x02b."},
		{"numbers of 4 bytes are repeated", ")\x02\xe9\x01\x00\x00\x00r\x00\x00\x00\x00", ")\x02i\x01\x00\x00\x00i\x01\x00\x00\x00"},
	} {
		got, err := canonical([]byte(tt.in), 11)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, tt.want)
		}
	}
	for _, bad := range []string{"", "\x00", "z\x05abc", "r\x00\x00\x00\x00", "(\xff\xff\xff\xff", "(\xff\xff\xff\x7f", "NN", "l\x00\x00\x00\x80", "c", "\xa9\x01r\x00\x00\x00\x00", "{0"} {
		if got, err := canonical([]byte(bad), 11); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

// What is canonical stays as it is.
func FuzzCanonical(f *testing.F) {
	c := compiler(f, python(f), 1)
	for p, source := range oddSources() {
		j, err := c.Submit(f.Context(), p, source)
		if err != nil {
			f.Fatal(err)
		}
		code, err := j.Wait(f.Context())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(code, c.minor)
	}
	f.Fuzz(func(t *testing.T, b []byte, minor int) {
		once, err := canonical(b, minor)
		if err != nil {
			return
		}
		twice, err := canonical(once, minor)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%q became %q and then %q, %v", b, once, twice, err)
		}
	})
}
