package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// published is what a snapshot directory says about its publication. It is beside the image, not
// in it, so that the same content has the same id whenever it is made.
type published struct {
	Sequence     int64             `json:"sequence"`
	Time         time.Time         `json:"time"`
	Interpreters map[string]string `json:"interpreters,omitempty"`
}

// The file is JSON, and its last member the digest of the snapshot's id and of all bytes before it:
// no byte of it changes unnoticed, and it is no other snapshot's. Older ones have no such member.
const (
	publishedSum = `,"sha256":"%s"}` + "\n"
	sumLength    = len(publishedSum) - len("%s") + 2*len(Digest{})
)

func (p published) encode(id ID) ([]byte, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	b = b[:len(b)-1] // without its brace
	return append(b, sumOf(id, b)...), nil
}

func sumOf(id ID, body []byte) []byte {
	return fmt.Appendf(nil, publishedSum, Sum(append(id[:], body...)))
}

func decodePublished(id ID, b []byte) (p published, err error) {
	body := b[:max(0, len(b)-sumLength)]
	if bytes.Equal(b[len(body):], sumOf(id, body)) {
		b = append(bytes.Clone(body), '}')
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // as a digest is that is not the right one
	if err = d.Decode(&p); err == nil && (p.Sequence < 1 || !json.Valid(b)) {
		err = errors.New("not as it was written")
	}
	return p, err
}
