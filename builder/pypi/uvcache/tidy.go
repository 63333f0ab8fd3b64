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

// kept are the parts of a cache that mean the same on another host, without the numbers of buckets.
// Without source archives there are two empty markers in theirs, which a uv would write again.
var kept = []string{"CACHEDIR.TAG", ".gitignore", "archive-v", "wheels-v", "simple-v", "sdists-v"}

// contents are what a cache may have.
type contents struct {
	wheels   map[string]bool // by digest
	standIns []standIn       // for the sources of those that were built
}

// tidy takes out of a cache what is of one host only, and gives archives the names that follow from
// digests.
func tidy(cache, program string, held contents) error {
	if err := strip(cache); err != nil {
		return err
	}
	links, err := linksIn(cache, "wheels-v")
	if err != nil {
		return err
	}
	for _, link := range links {
		if err := rename(cache, link, program, held.wheels); err != nil {
			return err
		}
	}
	built, err := tidySources(cache, program, held)
	if err != nil {
		return err
	}
	if len(links) == 0 && built == 0 {
		return &errForm{program, "it has no unpacked wheel"}
	}
	return nil
}

// strip takes out what is of one host only, but for names.
func strip(cache string) error {
	all, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	for _, d := range all {
		path := filepath.Join(cache, d.Name())
		switch {
		case !isKept(d.Name()):
			err = os.RemoveAll(path)
		case !strings.HasPrefix(d.Name(), "archive-v"):
			err = filepath.WalkDir(path, func(at string, d fs.DirEntry, err error) error {
				if err == nil && strings.HasSuffix(at, ".lock") && !d.IsDir() {
					err = os.Remove(at)
				}
				return err
			})
		}
		if err != nil {
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

// linksIn are the links below buckets.
func linksIn(cache, bucket string) (links []string, err error) {
	dirs, err := filepath.Glob(filepath.Join(cache, bucket+"*"))
	for _, dir := range dirs {
		err = filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
			if err == nil && d.Type() == fs.ModeSymlink {
				links = append(links, at)
			}
			return err
		})
		if err != nil {
			break
		}
	}
	return links, err
}

// rename gives the archive of one wheel its name: in the link to it, and in the pointer beside that,
// which is all that a uv reads when it looks for a wheel.
func rename(cache, link, program string, digests map[string]bool) error {
	pointer, err := os.ReadFile(link + ".http")
	if err != nil {
		return &errForm{program, "a wheel has no pointer: " + err.Error()}
	}
	target, err := os.Readlink(link)
	if err != nil {
		return err
	}
	old, digest := filepath.Base(target), digestIn(pointer, digests)
	if len(old) < 12 || bytes.Count(pointer, []byte(old)) != 1 || digest == "" {
		return &errForm{program, filepath.Base(link) + ".http does not hold the archive's name and the wheel's digest"}
	}
	name := nameOf("archive", digest, len(old))
	if name == old {
		return nil
	}
	if err := os.WriteFile(link+".http", bytes.Replace(pointer, []byte(old), []byte(name), 1), 0o644); err != nil {
		return err
	}
	return renameArchive(cache, link, target, name)
}

// renameArchive gives the archive that a link leads to another name.
func renameArchive(cache, link, target, name string) error {
	bucket := filepath.Base(filepath.Dir(target))
	at := filepath.Join(cache, bucket, name)
	if err := os.Rename(filepath.Join(cache, bucket, filepath.Base(target)), at); err != nil {
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

// nameOf is the name of what is made of a digest, an unpacked wheel or what a source was built to: 16
// characters in newer uvs, 20 or 21 in older ones.
func nameOf(what, digest string, length int) string {
	sum := sha256.Sum256([]byte(what + " of " + digest))
	name := base64.RawURLEncoding.EncodeToString(sum[:])
	return name[:min(length, len(name))]
}
