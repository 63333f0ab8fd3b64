package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"larder/snapshot/pypi/pep508"
)

// jsonFile is one element of "files" (PEP 691, 700, 714).
type jsonFile struct {
	Filename       string            `json:"filename"`
	URL            string            `json:"url"`
	Hashes         map[string]string `json:"hashes"`
	RequiresPython *string           `json:"requires-python"`
	Size           *int64            `json:"size"`
	Yanked         flag              `json:"yanked"`
	UploadTime     uploadTime        `json:"upload-time"`
	CoreMetadata   *hashes           `json:"core-metadata"`
	DistInfo       *hashes           `json:"dist-info-metadata"`
}

// flag is false, true or a reason.
type flag struct {
	set  bool
	text string
}

func (f *flag) UnmarshalJSON(b []byte) error {
	switch {
	case bytes.Equal(b, []byte("true")):
		f.set = true
	case bytes.Equal(b, []byte("false")), bytes.Equal(b, []byte("null")):
	case b[0] == '"':
		f.set = true
		return json.Unmarshal(b, &f.text)
	default:
		return errors.New("yanked is neither a boolean nor a string")
	}
	return nil
}

// hashes is false, true or {"sha256": …}.
type hashes struct {
	there bool
	sum   string
}

func (h *hashes) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case 't', 'f', 'n':
		h.there = b[0] == 't'
		return nil
	}
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		return errors.New("core-metadata is neither a boolean nor an object of hashes")
	}
	h.there, h.sum = true, m["sha256"]
	return nil
}

// uploadTime is a time as Unix has it, 0 for whatever is none: it only weighs versions, so it is no reason
// to refuse a file.
type uploadTime int64

func (t *uploadTime) UnmarshalJSON(b []byte) error {
	*t = uploadTime(uploaded(strings.Trim(string(b), `"`)))
	return nil
}

// readJSON reads a PEP 691 page, one file at a time.
func (p *pageReader) readJSON(r io.Reader) error {
	err := p.readObject(r)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the json ends early")
	}
	return err
}

func (p *pageReader) readObject(r io.Reader) error {
	d := newDecoder(r)
	if err := open(d, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		if len(seen) == maxKeys {
			return fmt.Errorf("the page has more than %d keys", maxKeys)
		}
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, _ := t.(string)
		if seen[key] {
			return fmt.Errorf("the page has %.40q twice", key)
		}
		seen[key] = true
		if err := p.readKey(d, key); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); err == nil {
		return errors.New("something follows the json")
	} else if err != io.EOF {
		return err
	}
	if !seen["files"] || !seen["name"] {
		return errors.New("json without the name or the files of a project")
	}
	return nil
}

// readKey reads the value of one of a page's keys.
func (p *pageReader) readKey(d *decoder, key string) error {
	switch key {
	case "meta":
		var meta struct {
			Version string `json:"api-version"`
		}
		if err := d.Decode(&meta); err != nil {
			return fmt.Errorf("meta: %w", err)
		}
		return checkVersion(meta.Version)
	case "name":
		var name string
		if err := d.Decode(&name); err != nil {
			return fmt.Errorf("name: %w", err)
		}
		if pep508.Normalize(name) != p.Project {
			return fmt.Errorf("%w: %.80q", errOther, name)
		}
		return nil
	case "files":
		return p.readFiles(d)
	}
	return d.skip()
}

func (p *pageReader) readFiles(d *decoder) error {
	if err := open(d, '['); err != nil {
		return fmt.Errorf("files: %w", err)
	}
	for d.More() {
		var in jsonFile
		if err := d.Decode(&in); err != nil {
			return fmt.Errorf("file %d: %w", len(p.Files)+len(p.refused)+1, err)
		}
		f := File{SHA256: in.Hashes["sha256"], Size: -1, Yanked: in.Yanked.set, YankedReason: in.Yanked.text, Uploaded: int64(in.UploadTime)}
		if in.RequiresPython != nil {
			f.RequiresPython = *in.RequiresPython
		}
		if in.Size != nil {
			if f.Size = *in.Size; f.Size < 0 {
				f.Size = -2 // refused by add; -1 means unknown
			}
		}
		if m := in.CoreMetadata; m != nil {
			f.Metadata, f.MetadataSHA256 = m.there, m.sum
		} else if m := in.DistInfo; m != nil {
			f.Metadata, f.MetadataSHA256 = m.there, m.sum
		}
		if in.Filename == "" || in.URL == "" {
			if err := p.spend(perLink); err != nil {
				return err
			}
			p.refuse("the page gives no name or no URL for it")
			continue
		}
		if err := p.add(in.URL, in.Filename, f); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func open(d *decoder, want json.Delim) error {
	t, err := d.Token()
	if err == io.EOF {
		return errors.New("an empty answer")
	}
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("json of another shape: %q expected", want.String())
	}
	return nil
}
