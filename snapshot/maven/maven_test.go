package maven

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

func TestFiles(t *testing.T) {
	for path, project := range map[string]string{
		"junit/junit/4.13/junit-4.13.jar": "junit:junit", "org/a-b/c_d/x.y/1.0.0-rc.1+b/x.y-1.0.0-rc.1+b-sources.tar.gz": "org.a-b.c_d:x.y",
		"a/b/1/b-1.pom": "a:b", "a/b/1-SNAPSHOT/b-1-20260101.101010-1.jar": "a:b", "a/b/1/b-1-linux-x86_64.jar.asc": "a:b",
	} {
		f, err := ParsePath(path)
		if err != nil || f.Path() != path || f.Project() != project || f.Snapshot() != strings.Contains(path, "SNAPSHOT") {
			t.Errorf("%s: %+v, %v", path, f, err)
		}
		if again, err := FileOf(f.Project(), f.Version, f.Name); err != nil || again != f {
			t.Errorf("%+v, %v", again, err)
		}
		pkg := Package(f.Project())
		if Project(pkg) != f.Project() || Project(f.Project()) != f.Project() || strings.Contains(pkg, ":") {
			t.Errorf("%s: %s", pkg, Project(pkg))
		}
		if d, err := snapshot.ParseDenial(snapshot.PackageURL(Name, pkg, f.Version)); err != nil || Project(d.Project) != f.Project() || d.Version != f.Version {
			t.Errorf("%s cannot be revoked: %+v, %v", path, d, err)
		}
	}
	for _, path := range []string{"", "a/b", "a/1/a-1.jar", "/a/b/1/b-1.jar", "a/b/1/b-1", "a/b/1/b-1.", "a/b/1/b-2.jar", "a/b/1/b-1-.jar", "a/b/1/b-1x.jar", "a/../b/1/b-1.jar", "a/b/../b-..jar", "a/b/1/../b-1.jar",
		"a.b/c/1/c-1.jar", "a/b c/1/b c-1.jar", "a/b/1/b-1.j\nar", "a/é/1/é-1.jar", "a/b/1/b-1.jar/", ".a/b/1/b-1.jar", "a/-b/1/-b-1.jar", strings.Repeat("a/", 100) + "b/1/b-1.jar", "a/b/1/b-1." + strings.Repeat("x", 255), "a/b:c/1/b:c-1.jar"} {
		if f, err := ParsePath(path); !errors.Is(err, ErrName) {
			t.Errorf("%.40q: %+v, %v", path, f, err)
		}
	}
	for _, row := range [][3]string{{"a", "1", "a-1.jar"}, {":b", "1", "b-1.jar"}, {"a:b:c", "1", "b:c-1.jar"}, {"a:b", "../1", "b-../1.jar"}} {
		if f, err := FileOf(row[0], row[1], row[2]); !errors.Is(err, ErrName) {
			t.Errorf("%q: %+v, %v", row, f, err)
		}
	}
}

func TestSums(t *testing.T) {
	const abc = "a9993e364706816aba3e25717850c26c9cd0d89d"
	for _, text := range []string{abc, abc + "\n", strings.ToUpper(abc), abc + "  file.jar\n", "SHA1(a = b.jar)= " + abc} {
		s, err := ParseSum("sha1", text)
		if err != nil || s.Hex() != abc || s.Algorithm() != "sha1" {
			t.Errorf("%q: %v, %v", text, s, err)
			continue
		}
		h := s.New()
		h.Write([]byte("abc"))
		if hex.EncodeToString(h.Sum(nil)) != abc {
			t.Error("another hash")
		}
		row := snapshot.ManifestArtifact{Ecosystem: Name, Detail: s.Detail()}
		if again, err := DetailOf(row); err != nil || again != s || Ecosystem.Describe(row.Detail) != "the repository's sha1 is "+abc {
			t.Errorf("%v, %v", again, err)
		}
	}
	for _, text := range []string{"", " \n", "<html>", abc[1:], abc + "0", "sha1 " + abc} {
		if s, err := ParseSum("sha1", text); !errors.Is(err, ErrSum) {
			t.Errorf("%q: %v, %v", text, s, err)
		}
	}
	if _, err := ParseSum("md5", "900150983cd24fb0d6963f7d28e17f72"); !errors.Is(err, ErrSum) {
		t.Error(err)
	}
	for _, row := range []snapshot.ManifestArtifact{{Ecosystem: "npm", Detail: []byte(`{"algorithm":"sha1","checksum":"` + abc + `"}`)}, {Ecosystem: Name}, {Ecosystem: Name, Detail: []byte(`{"algorithm":"md5","checksum":""}`)}} {
		if _, err := DetailOf(row); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

func TestPOM(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) string {
		path := filepath.Join(dir, "pom.xml")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, text := range []string{"<project/>", "\ufeff<?xml version='1.0' encoding='ISO-8859-1'?>\n<!-- \xe9 --><project xmlns='http://maven.apache.org/POM/4.0.0'>", "<m:project xmlns:m='x'>"} {
		r, err := Locks.Read(ecosystem.Host{}, []string{write(text)}, Target())
		if err != nil || !r.Unresolved || len(r.Pins) > 0 {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "x", "<html>", "<!DOCTYPE project [", "<projects/>", "{}", "\x00\x01"} {
		if _, err := Locks.Read(ecosystem.Host{}, []string{write(text)}, Target()); !errors.Is(err, ErrRefused) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := Locks.Read(ecosystem.Host{}, []string{write(strings.Repeat(" ", maxPOM+1))}, Target()); err == nil {
		t.Error("a POM without bounds")
	}
	for name, is := range map[string]bool{"a/pom.xml": true, "x.pom": true, "other.xml": false, "pom.xml.bak": false, "package-lock.json": false} {
		if Locks.IsLock(name) != is {
			t.Error(name)
		}
	}
}

func TestNames(t *testing.T) {
	e := Ecosystem
	for text, want := range map[string]string{"junit:junit": "junit:junit", "org.slf4j/slf4j-api": "org.slf4j:slf4j-api", "pkg:maven/org.slf4j/slf4j-api": "org.slf4j:slf4j-api"} {
		if got, version, ok := e.ReadName(text); !ok || got != want || version != "" {
			t.Errorf("%s: %q %q %v", text, got, version, ok)
		}
	}
	for _, text := range []string{"", "junit", "a:b:c", ":a", "a:", "../a:b", "a b:c", "a:b\n", "-a:b", "a:é", "pkg:npm/a", "pkg:maven/a", strings.Repeat("a", 200) + ":b"} {
		if got, _, ok := e.ReadName(text); ok {
			t.Errorf("%q is %q", text, got)
		}
	}
	for _, text := range []string{"junit:junit:4.13.2", "junit:junit@4.13.2", "junit/junit@4.13.2", "junit:junit==4.13.2", " junit:junit == 4.13.2 "} {
		if project, version, ok := e.Names.Pin(text); !ok || project != "junit:junit" || version != "4.13.2" {
			t.Errorf("%q: %q %q %v", text, project, version, ok)
		}
	}
	for _, text := range []string{"junit:junit", "junit:junit:", "junit:4.13.2", "junit:junit:jar:4.13.2", "junit:junit:[4,5)", "junit:junit:4-SNAPSHOT", "junit:junit:4@5", "junit:junit==", "a:b:../1"} {
		if project, version, ok := e.Names.Pin(text); ok {
			t.Errorf("%q: %q %q", text, project, version)
		}
	}
	for _, glob := range []string{"*", "org.apache.*", "org.apache.*:*", "*:slf4j-*", "org.slf4j/*", "j?nit:junit"} {
		if _, ok := e.Names.Glob(glob); !ok {
			t.Errorf("%q is no glob", glob)
		}
	}
	for _, glob := range []string{"", "org.apache", "?", "a b*", "*:*:*", "../*"} {
		if _, ok := e.Names.Glob(glob); ok {
			t.Errorf("%q is a glob", glob)
		}
	}
}
