package resolve

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
)

// The largest POM that is read, and the deepest: published ones have 1 MiB and 15.
const maxPOM, maxDepth = 4 << 20, 100

// checkPOM looks at a POM before anything is started for it.
func checkPOM(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxPOM {
		return at(name, fail(BadPOM, "it is no file of at most %d bytes", maxPOM))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPOM))
	if err != nil {
		return err
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) {
		text, err := io.ReadAll(r)
		runes := make([]rune, len(text))
		for i, b := range text { // only the elements count here
			runes[i] = rune(b)
		}
		return bytes.NewReader([]byte(string(runes))), err
	}
	for depth, root := 0, ""; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root == "project" {
			return nil
		}
		if err != nil {
			return at(name, fail(BadPOM, "it cannot be read: %s", err))
		}
		switch t := token.(type) {
		case xml.Directive:
			return at(name, fail(BadPOM, "it has a DOCTYPE, and entities of its own are not taken"))
		case xml.StartElement:
			if depth++; depth > maxDepth {
				return at(name, fail(BadPOM, "its elements are more than %d deep", maxDepth))
			}
			if depth > 1 {
				continue
			}
			if root += t.Name.Local; root != "project" { // the second one, too
				return at(name, fail(BadPOM, "it is no POM: its root is not one <project>, but <%.100s>", t.Name.Local))
			}
		case xml.EndElement:
			depth--
		}
	}
}
