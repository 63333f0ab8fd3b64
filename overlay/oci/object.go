package oci

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// object is one level of a JSON object, its values not yet looked at. A name
// that occurs twice is an error: encoding/json would take the last, other
// readers the first, and a document that two programs read differently is how
// a check is passed with one value and the work done with another. Names are
// compared exactly, which encoding/json does not do either.
type object map[string]json.RawMessage

// maxKeys bounds one object: 1 MiB of annotations is 100,000 of them.
const maxKeys = 4096

func parseObject(data []byte) (object, error) {
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, errors.New("begins with a byte order mark")
	}
	if !utf8.Valid(data) {
		return nil, errors.New("not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	open, err := dec.Token()
	if err == io.EOF {
		return nil, errors.New("empty")
	}
	if err != nil {
		return nil, notJSON(err)
	}
	if open != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	o := object{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, notJSON(err)
		}
		key, ok := token.(string)
		if !ok {
			return nil, errors.New("not a JSON object")
		}
		if _, twice := o[key]; twice {
			return nil, fmt.Errorf("%.80q occurs twice", key)
		}
		if len(o) == maxKeys {
			return nil, fmt.Errorf("more than %d names in one object", maxKeys)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, notJSON(err)
		}
		o[key] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

func notJSON(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("cut short")
	}
	return fmt.Errorf("not JSON: %w", err)
}

// value decodes the value of key into v; a missing or null one leaves v alone.
func (o object) value(key string, v any) error {
	raw, ok := o[key]
	if !ok {
		return nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: wrong type", key)
	}
	return nil
}

// child is the object below key, empty when there is none.
func (o object) child(key string) (object, error) {
	raw, ok := o[key]
	if !ok || string(raw) == "null" {
		return object{}, nil
	}
	c, err := parseObject(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return c, nil
}

// words decodes an object of strings.
func (o object) words(key string) (map[string]string, error) {
	c, err := o.child(key)
	if err != nil {
		return nil, err
	}
	words := make(map[string]string, len(c))
	for k := range c {
		var s *string
		if err := c.value(k, &s); err != nil || s == nil {
			return nil, fmt.Errorf("%s: %.80q is not a string", key, k)
		}
		words[k] = *s
	}
	return words, nil
}
