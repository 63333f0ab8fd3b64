package npmtest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
)

// Package is one version of a package.
type Package struct {
	Name, Version string
	Files         map[string]string // by path; one that begins with "#!" is a program
	Fields        map[string]any    // of package.json and of what the registry says, such as "dependencies"
	Raw           []byte            // the tarball; nil: made of the rest
	SHA1          bool              // the registry publishes nothing stronger
}

// Tarball is the package as npm packs it.
func (p Package) Tarball() []byte {
	if p.Raw != nil {
		return p.Raw
	}
	files := maps.Clone(p.Files)
	if files == nil {
		files = map[string]string{}
	}
	if _, is := files["package.json"]; !is {
		files["package.json"] = p.Manifest()
	}
	var entries []Entry
	for _, name := range slices.Sorted(maps.Keys(files)) {
		e := Entry{Header: tar.Header{Name: "package/" + name, Mode: 0o644}, Text: files[name]}
		if strings.HasPrefix(e.Text, "#!") {
			e.Mode = 0o755
		}
		entries = append(entries, e)
	}
	return Tar(entries...)
}

// Manifest is its package.json.
func (p Package) Manifest() string {
	fields := map[string]any{"name": p.Name, "version": p.Version}
	maps.Copy(fields, p.Fields)
	text, err := json.MarshalIndent(fields, "", "  ")
	if err != nil {
		panic(err) // a test's own fields
	}
	return string(text) + "\n"
}

// Filename is the last part of its address.
func (p Package) Filename() string { return path.Base(p.Name) + "-" + p.Version + ".tgz" }

// Integrity is what the registry publishes of it.
func (p Package) Integrity() string {
	if p.SHA1 {
		sum := sha1.Sum(p.Tarball())
		return "sha1-" + base64.StdEncoding.EncodeToString(sum[:])
	}
	sum := sha512.Sum512(p.Tarball())
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Shasum is its SHA-1, as registries publish it beside the integrity.
func (p Package) Shasum() string {
	sum := sha1.Sum(p.Tarball())
	return hex.EncodeToString(sum[:])
}

// Digest is the strongest of both in hexadecimal.
func (p Package) Digest() string {
	if p.SHA1 {
		return p.Shasum()
	}
	sum := sha512.Sum512(p.Tarball())
	return hex.EncodeToString(sum[:])
}

// Entry is one of an archive. Without a Typeflag it is a file, or a directory if its name says so.
type Entry struct {
	tar.Header
	Text string
}

// File is an entry for a plain file.
func File(name, text string) Entry { return Entry{tar.Header{Name: name, Mode: 0o644}, text} }

// Tar packs entries, whatever they are.
func Tar(entries ...Entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
			if strings.HasSuffix(h.Name, "/") {
				h.Typeflag = tar.TypeDir
			}
		}
		if h.Size == 0 {
			h.Size = int64(len(e.Text))
		}
		if err := w.WriteHeader(&h); err != nil {
			panic(err) // a test's own entries
		}
		if _, err := w.Write([]byte(e.Text)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return Gzip(b.Bytes())
}

// Gzip packs bytes, always the same way.
func Gzip(plain []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes all
	}
	return b.Bytes()
}
