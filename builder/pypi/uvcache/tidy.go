package uvcache

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// errForm: a uv wrote a cache that is not as those known here.
type errForm struct{ program, what string }

func (e *errForm) Error() string {
	return fmt.Sprintf("%s writes a cache of an unknown form: %s", e.program, e.what)
}

// kept are the parts of a cache that mean the same on another host, without the numbers of buckets. Of
// source archives there are only two empty markers, which a uv would write again.
var kept = []string{"CACHEDIR.TAG", ".gitignore", "archive-v", "wheels-v", "simple-v", "sdists-v"}

// tidy takes out of a cache what is of one host only, and gives archives the names that follow from
// digests, which are those of the wheels that the cache may have.
func tidy(cache, program string, digests map[string]bool) error {
	all, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	var links []string
	for _, d := range all {
		path := filepath.Join(cache, d.Name())
		switch {
		case !isKept(d.Name()):
			err = os.RemoveAll(path)
		case strings.HasPrefix(d.Name(), "wheels-v") || strings.HasPrefix(d.Name(), "simple-v"):
			err = filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
				switch {
				case err != nil:
					return err
				case d.Type() == fs.ModeSymlink:
					links = append(links, at)
				case strings.HasSuffix(at, ".lock") && !d.IsDir():
					return os.Remove(at)
				}
				return nil
			})
		}
		if err != nil {
			return err
		}
	}
	if len(links) == 0 {
		return &errForm{program, "it has no unpacked wheel"}
	}
	for _, link := range links {
		if err := rename(cache, link, program, digests); err != nil {
			return err
		}
	}
	return nil
}

func isKept(name string) bool {
	for _, k := range kept {
		if name == k || strings.HasSuffix(k, "-v") && strings.HasPrefix(name, k) {
			return true
		}
	}
	return false
}

// rename gives the archive of one wheel its name: in the link to it, and in the pointer beside that,
// which is all that a uv reads when it looks for a wheel.
func rename(cache, link, program string, digests map[string]bool) error {
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	old, bucket := filepath.Base(target), filepath.Base(filepath.Dir(target))
	pointer, err := os.ReadFile(link + ".http")
	if err != nil {
		return &errForm{program, "a wheel has no pointer: " + err.Error()}
	}
	digest := digestIn(pointer, digests)
	if len(old) < 12 || bytes.Count(pointer, []byte(old)) != 1 || digest == "" {
		return &errForm{program, filepath.Base(link) + ".http does not hold the archive's name and the wheel's digest"}
	}
	name := archiveName(digest, len(old))
	if name == old {
		return nil
	}
	if err := os.WriteFile(link+".http", bytes.Replace(pointer, []byte(old), []byte(name), 1), 0o644); err != nil {
		return err
	}
	at := filepath.Join(cache, bucket, name)
	if err := os.Rename(filepath.Join(cache, bucket, old), at); err != nil {
		return err
	}
	// Some uvs write the whole path, which is another one in a container.
	relative, err := filepath.Rel(filepath.Dir(link), at)
	if err != nil {
		return err
	}
	if err := os.Remove(link); err != nil {
		return err
	}
	return os.Symlink(relative, link)
}

// digestIn is the one of some digests that a pointer has in hexadecimal.
func digestIn(pointer []byte, digests map[string]bool) string {
	const digits = 2 * sha256.Size
	for run := range bytes.FieldsFuncSeq(pointer, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') }) {
		for at := 0; at+digits <= len(run); at++ {
			if digest := string(run[at : at+digits]); digests[digest] {
				return digest
			}
		}
	}
	return ""
}

// archiveName is the name of an unpacked wheel: 16 characters in newer uvs, 20 or 21 in older ones.
func archiveName(digest string, length int) string {
	sum := sha256.Sum256([]byte("archive of " + digest))
	name := base64.RawURLEncoding.EncodeToString(sum[:])
	return name[:min(length, len(name))]
}
