package npm

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"path"
	"strings"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/npm"
)

// Leftovers is the ecosystem's part that reads uppers. Names that come out are as a snapshot spells them.
type Leftovers struct{}

// The directories of the cache, from its mount.
const (
	cache   = "_cacache"
	index   = "index-v5"
	content = "content-v2"
)

// Enter implements ecosystem.Leftovers: of the cache only its index, which has directories of two digits, two deep.
func (Leftovers) Enter(path []string) bool {
	for i, name := range path {
		switch {
		case i == 0 && name == cache, i == 1 && name == index, i >= 2 && i < 4 && isDigits(name, 2):
		default:
			return false
		}
	}
	return true
}

// isBucket says whether a file has the place and the name of a bucket of the index.
func isBucket(path []string, name string) bool {
	return len(path) == 4 && isDigits(name, 60)
}

func isDigits(s string, n int) bool { return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" }

// Look implements ecosystem.Leftovers.
func (l Leftovers) Look(dir ecosystem.Dir, at []string, name string, isDir bool) (m ecosystem.Miss, ok bool) {
	if isDir || !isBucket(at, name) {
		return m, false
	}
	e, err := readBucket(dir, name)
	if err != nil || snapshot.Sum([]byte(e.Key)).String() != at[2]+at[3]+name {
		return m, false
	}
	pkg, version, ok := tarball(strings.TrimPrefix(e.Key, requests))
	if !ok || !stored(dir, e.Integrity) {
		return m, false
	}
	return l.Valid(ecosystem.Miss{Project: npm.Project(pkg), Version: version, Kind: ecosystem.Downloaded})
}

// stored says whether the content of one of an integrity's sums is new.
func stored(dir ecosystem.Dir, integrity string) bool {
	sums, err := npm.ParseIntegrity(integrity)
	if err != nil {
		return false
	}
	for _, sum := range sums {
		digits := sum.Hex()
		if dir.New(cache, content, sum.Algorithm(), digits[:2], digits[2:4], digits[4:]) {
			return true
		}
	}
	return false
}

// maxBucket bounds what is read of one: those of npm have half a kilobyte to two, a package's page a little more.
const maxBucket = 64 << 10

// maxLines bounds what is parsed: a bucket has a line for each time that it was written.
const maxLines = 100

var errBucket = errors.New("no bucket of npm's index")

// entry is what counts of a line of a bucket.
type entry struct {
	Key       string `json:"key"`
	Integrity string `json:"integrity"` // null: the entry was deleted
}

// readBucket returns the entry that counts in a bucket, which is the last one that is whole.
func readBucket(dir ecosystem.Dir, name string) (e entry, err error) {
	var data []byte
	err = dir.Read(name, func(r io.ReaderAt, size int64) error {
		if size > maxBucket {
			return errBucket
		}
		data = make([]byte, size)
		_, err := r.ReadAt(data, 0)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return err
	})
	if err != nil {
		return e, err
	}
	lines := bytes.Split(data, []byte("\n"))
	for i := len(lines) - 1; i >= max(0, len(lines)-maxLines); i-- {
		sum, text, cut := bytes.Cut(lines[i], []byte("\t"))
		if !cut {
			continue
		}
		if want := sha1.Sum(text); hex.EncodeToString(want[:]) == string(sum) && json.Unmarshal(text, &e) == nil && strings.HasPrefix(e.Key, requests) {
			return e, nil
		}
	}
	return e, errBucket
}

// requests is what keys of answers begin with (make-fetch-happen).
const requests = "make-fetch-happen:request-cache:"

// tarball reads an address as registries have those of tarballs: …/NAME/-/FILE-VERSION.tgz.
func tarball(address string) (pkg, version string, ok bool) {
	u, err := url.Parse(address)
	if err != nil || len(address) > 4096 {
		return "", "", false
	}
	above, file, cut := strings.Cut(u.Path, "/-/")
	stem, ok := strings.CutSuffix(path.Base(file), ".tgz")
	if !cut || !ok {
		return "", "", false
	}
	parts := strings.Split(above, "/")
	pkg = parts[len(parts)-1]
	if len(parts) > 1 && strings.HasPrefix(parts[len(parts)-2], "@") {
		pkg = parts[len(parts)-2] + "/" + pkg
	}
	version, ok = strings.CutPrefix(stem, path.Base(pkg)+"-")
	return pkg, version, ok
}

// Asked implements ecosystem.Leftovers: a bucket's name is the digest of the address that was asked for.
func (Leftovers) Asked(path []string, name string) (key string, ok bool) {
	if !isBucket(path, name) {
		return "", false
	}
	return path[2] + path[3] + name, true
}

// Keys implements ecosystem.Leftovers: npm keeps what a registry says of a package under its address, and
// writes the bucket of a tarball again that it found by its.
func (Leftovers) Keys(row snapshot.ManifestArtifact) []string {
	tarball, _, _ := strings.Cut(row.URL, "?")
	pkg := strings.TrimSuffix(row.Index, "/") + "/" + strings.ReplaceAll(npm.Package(row.Project), "/", "%2f")
	keys := make([]string, 2)
	for i, address := range []string{pkg, tarball} {
		keys[i] = snapshot.Sum([]byte(requests + address)).String()
	}
	return keys
}

// Valid implements ecosystem.Leftovers.
func (Leftovers) Valid(m ecosystem.Miss) (ecosystem.Miss, bool) {
	project, ok := npm.Names{}.Project(m.Project)
	m.Ecosystem, m.Project, m.File = npm.Name, project, ""
	if _, err := npm.ParseTag(m.Target); err != nil { // what is downloaded is for all
		m.Target = ""
	}
	return m, ok && npm.Names{}.Version(m.Version)
}
