package toytest

import (
	"archive/tar"
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"larder/snapshot"
)

// Pack adds a parcel to the index at dir and returns its line in DIGESTS, which is a lock of it. Names
// of files end in "/" for a directory; a text that begins with "->" makes a link, one with "#!" a
// program. With a file "source" it is a source, which with one "native" is built with machine code.
func Pack(t testing.TB, dir, project, version string, files map[string]string) (line string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, text := range files {
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}
		switch {
		case name[len(name)-1] == '/':
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		case len(text) > 2 && text[:2] == "->":
			h.Typeflag, h.Linkname, h.Size, text = tar.TypeSymlink, text[2:], 0, ""
		case len(text) > 2 && text[:2] == "#!":
			h.Mode = 0o755
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, project+"-"+version+".tar"), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum512(b.Bytes())
	line = fmt.Sprintf("%s %s %s\n", project, version, hex.EncodeToString(sum[:]))
	if _, is := files["source"]; is {
		line = fmt.Sprintf("%s %s %s source\n", project, version, snapshot.Sum(b.Bytes()))
	}
	list, err := os.OpenFile(filepath.Join(dir, "DIGESTS"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	if _, err := list.WriteString(line); err != nil {
		t.Fatal(err)
	}
	return line
}
