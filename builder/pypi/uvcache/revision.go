package uvcache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// revisionName is the pointer of a source: msgpack of a random name, which is that of the directory
// beside it with all that was built, of the source's digests and, in newer uvs, of its size.
const revisionName = "revision.http"

// tidySources does with the sources of a cache as tidy does with wheels: a source gets its own digest
// and size in place of those of what stood in for it. What was unpacked of that is taken out: a uv builds
// from it, and never looks at it for a wheel that is there. It returns how many wheels there are.
func tidySources(cache, program string, held contents) (wheels int, err error) {
	buckets, err := filepath.Glob(filepath.Join(cache, "sdists-v*"))
	if err != nil {
		return 0, err
	}
	for _, bucket := range buckets {
		entries, err := os.ReadDir(bucket)
		if err != nil {
			return 0, err
		}
		for _, d := range entries { // all but markers: it also unpacks there
			if d.IsDir() && d.Name() != "pypi" && d.Name() != "index" {
				if err := os.RemoveAll(filepath.Join(bucket, d.Name())); err != nil {
					return 0, err
				}
			}
		}
		for _, pattern := range []string{"pypi/*/*", "index/*/*/*"} {
			versions, err := filepath.Glob(filepath.Join(bucket, pattern))
			if err != nil {
				return 0, err
			}
			for _, dir := range versions {
				n, err := tidySource(cache, program, dir, held)
				if err != nil {
					return 0, err
				}
				wheels += n
			}
		}
	}
	return wheels, nil
}

// tidySource is tidySources for one version, whose directory that is.
func tidySource(cache, program, dir string, held contents) (wheels int, err error) {
	pointer, err := os.ReadFile(filepath.Join(dir, revisionName))
	if err != nil {
		return 0, &errForm{program, "a source has no pointer: " + err.Error()}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var id string
	for _, d := range entries {
		switch {
		case !d.IsDir():
		case id == "" && len(d.Name()) >= 12 && bytes.Count(pointer, []byte(d.Name())) == 1:
			id = d.Name()
		default: // of an attempt before
			err = os.RemoveAll(filepath.Join(dir, d.Name()))
		}
		if err != nil {
			return 0, err
		}
	}
	at := slices.IndexFunc(held.standIns, func(s standIn) bool { return bytes.Count(pointer, []byte(s.digest)) == 1 })
	if id == "" || at < 0 {
		return 0, &errForm{program, "the pointer of a source does not hold the name of what was built and the source's digest"}
	}
	if wheels, err = tidyBuilt(cache, program, filepath.Join(dir, id), held.wheels); err != nil {
		return 0, err
	}
	if wheels == 0 { // it failed, and was warned of
		return 0, os.RemoveAll(dir)
	}
	s := held.standIns[at]
	name := nameOf("revision", s.source.Digest, len(id))
	pointer = s.exchange(bytes.Replace(pointer, []byte(id), []byte(name), 1))
	if err := os.WriteFile(filepath.Join(dir, revisionName), pointer, 0o644); err != nil {
		return 0, err
	}
	return wheels, os.Rename(filepath.Join(dir, id), filepath.Join(dir, name))
}

// exchange writes the source's digest and size in the places of the stand-in's own. No byte moves: newer
// uvs have the length of the pointer's own part at its end.
func (s standIn) exchange(pointer []byte) []byte {
	pointer = bytes.Replace(pointer, []byte(s.digest), []byte(s.source.Digest), 1)
	after := bytes.Index(pointer, []byte(s.source.Digest)) + len(s.source.Digest)
	const near = 16 // a map's key can be between
	size := bytes.Index(pointer[after:min(after+near, len(pointer))], msgpack(s.size))
	if size >= 0 && s.source.Size > 0 && s.source.Size <= 1<<32-1 {
		copy(pointer[after+size:], msgpack(s.source.Size))
	}
	return pointer
}

// msgpack is a number of 32 bits.
func msgpack(n int64) []byte { return binary.BigEndian.AppendUint32([]byte{0xce}, uint32(n)) }

// tidyBuilt gives the archives of wheels that were built of one source their names. The wheels lie
// beside the links to them.
func tidyBuilt(cache, program, dir string, digests map[string]bool) (wheels int, err error) {
	if err := os.RemoveAll(filepath.Join(dir, "src")); err != nil {
		return 0, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	for _, d := range entries {
		if d.Type() != fs.ModeSymlink {
			continue
		}
		link := filepath.Join(dir, d.Name())
		digest, err := digestOf(link + ".whl")
		if err != nil || !digests[digest] {
			return 0, &errForm{program, "beside " + d.Name() + " there is not the wheel that was built"}
		}
		target, err := os.Readlink(link)
		if err != nil {
			return 0, err
		}
		if err := renameArchive(cache, link, target, nameOf("archive", digest, len(filepath.Base(target)))); err != nil {
			return 0, err
		}
		wheels++
	}
	return wheels, nil
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
