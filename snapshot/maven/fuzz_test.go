package maven

import (
	"errors"
	"path"
	"strings"
	"testing"

	"larder/snapshot"
)

// What is taken as a file of a repository stays below its root, is read back as it was, and can be revoked.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"junit/junit/4.13/junit-4.13.jar", "a/b/1-SNAPSHOT/b-1-2.jar", "a/../b/1/b-1.jar", "a.b/c/1/c-1.jar", "a/b/1/b-1-x.tar.gz", "/a/b/1/b-1.jar"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := ParsePath(text)
		if err != nil {
			if !errors.Is(err, ErrName) {
				t.Fatal(err)
			}
			return
		}
		again, err := FileOf(file.Project(), file.Version, file.Name)
		if err != nil || again != file || file.Path() != text || path.Clean("/"+text) != "/"+text || strings.Contains(text, "..") && strings.Contains("/"+text+"/", "/../") {
			t.Fatalf("%q: %+v, %+v, %v", text, file, again, err)
		}
		d, err := snapshot.ParseDenial(snapshot.PackageURL(Name, Package(file.Project()), file.Version))
		if err != nil || Project(d.Project) != file.Project() || d.Version != file.Version {
			t.Fatalf("%q: %+v, %v", text, d, err)
		}
	})
}

// A checksum file gives a digest of its algorithm, or an error.
func FuzzSum(f *testing.F) {
	for _, seed := range []string{"a9993e364706816aba3e25717850c26c9cd0d89d  x\n", "SHA1(x)= a9993e364706816aba3e25717850c26c9cd0d89d", "<html>", "= ", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSum("sha1", text)
		if err != nil {
			if !errors.Is(err, ErrSum) {
				t.Fatal(err)
			}
			return
		}
		if again, err := NewSum(s.Algorithm(), s.Hex()); err != nil || again != s || len(s.Hex()) != 40 {
			t.Fatalf("%q: %v, %v", text, again, err)
		}
	})
}
