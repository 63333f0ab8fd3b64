package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Digest is a SHA-256. Its text is 64 lower-case hexadecimal digits and nothing else: no
// algorithm prefix, no upper case, so one digest has one spelling and one file name.
type Digest [sha256.Size]byte

// ID names a snapshot: the digest of its image.erofs, what `sha256sum image.erofs` prints.
type ID = Digest

// Sum returns the digest of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// ParseDigest reads the text form strictly.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != 2*len(d) || !isHex(s) {
		return Digest{}, fmt.Errorf("parse digest %q: want %d lower-case hexadecimal digits", clip(s), 2*len(d))
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, fmt.Errorf("parse digest %q: %w", clip(s), err)
	}
	return d, nil
}

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Short is the first 12 digits, for people; Resolve accepts it while it is unique.
func (d Digest) Short() string { return hex.EncodeToString(d[:6]) }

// IsZero tells an unset digest from one of content: no known content hashes to zero.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText and UnmarshalText put digests in JSON as their text form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Digest) UnmarshalText(b []byte) error {
	v, err := ParseDigest(string(b))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// Object is the content of one file in the pool. Executable and plain files of the same
// bytes are two objects, because the mode a program sees through some checkouts is the object's own.
type Object struct {
	Digest Digest
	Exec   bool
}

// Path is the object's place below objects/: "ab/cdef…", and ".x" after it when executable.
func (o Object) Path() string {
	var b [objectPathLen]byte
	return string(o.AppendPath(b[:0]))
}

const objectPathLen = 2*sha256.Size + len("/") + len(".x")

// AppendPath appends Path to b: an image has hundreds of thousands of them.
func (o Object) AppendPath(b []byte) []byte {
	b = hex.AppendEncode(b, o.Digest[:1])
	b = append(b, '/')
	b = hex.AppendEncode(b, o.Digest[1:])
	if o.Exec {
		b = append(b, ".x"...)
	}
	return b
}

func (o Object) String() string { return o.Path() }

// ParseObject reads what Path wrote.
func ParseObject(path string) (Object, error) {
	var o Object
	s := path
	if n := len(s); n == 67 && s[n-2:] == ".x" {
		o.Exec, s = true, s[:n-2]
	}
	if len(s) != 65 || s[2] != '/' {
		return Object{}, fmt.Errorf("parse object %q: want ab/cdef… or ab/cdef….x", clip(path))
	}
	d, err := ParseDigest(s[:2] + s[3:])
	if err != nil {
		return Object{}, err
	}
	o.Digest = d
	return o, nil
}

// MarshalText and UnmarshalText put objects in JSON as their paths.
func (o Object) MarshalText() ([]byte, error) { return o.AppendPath(nil), nil }

func (o *Object) UnmarshalText(b []byte) error {
	v, err := ParseObject(string(b))
	if err != nil {
		return err
	}
	*o = v
	return nil
}

func isHex(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// clip shortens hostile text before it goes into a message.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
