package npm

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// ErrIntegrity is wrapped by every error about an integrity.
var ErrIntegrity = errors.New("no integrity that counts")

// Sum is one digest. It is comparable; the zero value is none.
type Sum struct {
	algorithm string
	hex       string
}

// algorithms are those that count, the strongest first.
var algorithms = []struct {
	name string
	size int
	hash func() hash.Hash
}{
	{"sha512", sha512.Size, sha512.New},
	{"sha384", sha512.Size384, sha512.New384},
	{"sha256", sha256.Size, sha256.New},
	{"sha1", sha1.Size, sha1.New},
}

// maxIntegrity bounds what is read of one: a real one has one digest.
const maxIntegrity = 4096

// ParseIntegrity reads what SRI calls integrity metadata, "sha512-…" in base64 with words like it
// beside it, and returns the sums of the strongest algorithm: any of them will do. Words of other
// algorithms are passed over, as npm does.
func ParseIntegrity(text string) ([]Sum, error) {
	if len(text) > maxIntegrity {
		return nil, fmt.Errorf("%w: longer than %d bytes", ErrIntegrity, maxIntegrity)
	}
	found := map[string][]Sum{}
	for word := range strings.FieldsSeq(text) {
		word, _, _ = strings.Cut(word, "?") // options, which nothing defines
		algorithm, digest, _ := strings.Cut(word, "-")
		raw, err := base64.StdEncoding.Strict().DecodeString(digest)
		if err == nil && len(raw) == sizeOf(algorithm) {
			found[algorithm] = append(found[algorithm], Sum{algorithm, hex.EncodeToString(raw)})
		}
	}
	for _, a := range algorithms {
		if len(found[a.name]) > 0 {
			return found[a.name], nil
		}
	}
	return nil, fmt.Errorf("%w: %.100q", ErrIntegrity, text)
}

// SumOf is the sum of a digest in hexadecimal, such as an index's shasum; its length names the
// algorithm.
func SumOf(digest string) (Sum, error) {
	raw, err := hex.DecodeString(digest)
	for _, a := range algorithms {
		if err == nil && len(raw) == a.size {
			return Sum{a.name, hex.EncodeToString(raw)}, nil
		}
	}
	return Sum{}, fmt.Errorf("%w: %.140q", ErrIntegrity, digest)
}

func sizeOf(algorithm string) int {
	for _, a := range algorithms {
		if a.name == algorithm {
			return a.size
		}
	}
	return -1
}

// Algorithm is "sha512", "sha384", "sha256" or "sha1".
func (s Sum) Algorithm() string { return s.algorithm }

// Hex is the digest in hexadecimal: the index's digest of an artifact.
func (s Sum) Hex() string { return s.hex }

// IsZero says that s is none.
func (s Sum) IsZero() bool { return s == Sum{} }

// String is the form that ParseIntegrity reads.
func (s Sum) String() string {
	raw, err := hex.DecodeString(s.hex)
	if err != nil {
		panic(err) // only digests become sums
	}
	return s.algorithm + "-" + base64.StdEncoding.EncodeToString(raw)
}

// New is a hash whose result in hexadecimal is to be s.Hex.
func (s Sum) New() hash.Hash {
	for _, a := range algorithms {
		if a.name == s.algorithm {
			return a.hash()
		}
	}
	panic("npm: the hash of no sum")
}
