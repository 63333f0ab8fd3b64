package index

import (
	"encoding/json"
	"errors"
	"io"
)

// Bounds of one part of a JSON page. A file's element has about 1 KB, a page ten keys.
const (
	maxElement = 1 << 20 // bytes, white space before it counted
	maxSkipped = 8 << 20 // bytes of what we do not know, such as the list of versions
	maxKeys    = 100     // of the page
)

// decoder is a json.Decoder that reads no further ahead than one element may be long:
// it would keep all of an element, and look again at all white space before one
// whenever more comes.
type decoder struct {
	*json.Decoder
	in *ahead
}

func newDecoder(r io.Reader) *decoder {
	in := &ahead{r: r, until: maxElement}
	return &decoder{json.NewDecoder(in), in}
}

func (d *decoder) More() bool {
	d.next()
	return d.Decoder.More()
}

func (d *decoder) Token() (json.Token, error) {
	d.next()
	return d.Decoder.Token()
}

func (d *decoder) Decode(v any) error {
	d.next()
	return d.Decoder.Decode(v)
}

func (d *decoder) next() { d.in.until = d.InputOffset() + maxElement }

// skip passes over one value.
func (d *decoder) skip() error {
	d.in.until = d.InputOffset() + maxSkipped
	var value json.RawMessage
	return d.Decoder.Decode(&value)
}

var errElement = errors.New("an element is too large")

// ahead is a reader that goes as far as until.
type ahead struct {
	r         io.Reader
	at, until int64
}

func (a *ahead) Read(p []byte) (int, error) {
	if a.at >= a.until {
		return 0, errElement
	}
	n, err := a.r.Read(p[:min(int64(len(p)), a.until-a.at)])
	a.at += int64(n)
	return n, err
}
