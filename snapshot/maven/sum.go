package maven

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// ErrSum is wrapped by every error about a checksum.
var ErrSum = errors.New("not a checksum that counts")

// Sum is one checksum of a file. It is comparable; the zero value is none.
type Sum struct{ algorithm, hex string }

// algorithms are those that count, the strongest first. MD5 is none.
var algorithms = []struct {
	name string
	size int
	hash func() hash.Hash
}{
	{"sha512", sha512.Size, sha512.New},
	{"sha256", sha256.Size, sha256.New},
	{"sha1", sha1.Size, sha1.New},
}

// Algorithms are the names of those that count, the strongest first. A file's checksum is beside it, under its
// name and the algorithm's.
func Algorithms() (names []string) {
	for _, a := range algorithms {
		names = append(names, a.name)
	}
	return names
}

// NewSum is the sum of a digest in hexadecimal.
func NewSum(algorithm, digest string) (Sum, error) {
	raw, err := hex.DecodeString(digest)
	for _, a := range algorithms {
		if err == nil && a.name == algorithm && len(raw) == a.size {
			return Sum{a.name, hex.EncodeToString(raw)}, nil
		}
	}
	return Sum{}, fmt.Errorf("%w: %.20q of %.20s", ErrSum, digest, algorithm)
}

// ParseSum reads a checksum file: the digest, or a line of the programs that make such files, "DIGEST FILE" or
// "SHA1(FILE)= DIGEST".
func ParseSum(algorithm, text string) (Sum, error) {
	word := text
	if at := strings.LastIndex(text, "= "); at >= 0 {
		word = text[at+2:]
	}
	first := strings.Fields(word)
	if len(first) == 0 {
		return Sum{}, fmt.Errorf("%w: it is empty", ErrSum)
	}
	return NewSum(algorithm, first[0])
}

// Algorithm is "sha512", "sha256" or "sha1".
func (s Sum) Algorithm() string { return s.algorithm }

// Hex is the digest in hexadecimal.
func (s Sum) Hex() string { return s.hex }

// New is a hash whose result in hexadecimal is to be s.Hex.
func (s Sum) New() hash.Hash { return NewHash(s.algorithm) }

// NewHash is a hash of one of Algorithms; nil of any other.
func NewHash(algorithm string) hash.Hash {
	for _, a := range algorithms {
		if a.name == algorithm {
			return a.hash()
		}
	}
	return nil
}
