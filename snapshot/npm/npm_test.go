package npm

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"larder/snapshot"
)

const (
	abc512 = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw=="
	abc256 = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
	abc1   = "sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0="
)

func TestIntegrity(t *testing.T) {
	for text, want := range map[string][]string{
		abc512:                                 {abc512},
		abc1 + " " + abc512 + "\n" + abc256:    {abc512},
		abc1 + " " + abc256 + "?opt":           {abc256},
		abc1:                                   {abc1},
		"md5-kAFQmDzST7DWlj99KOF/cg== " + abc1: {abc1},
		abc256 + " sha256-" + strings.Repeat("A", 43) + "=": {abc256, "sha256-" + strings.Repeat("A", 43) + "="},
		"": nil, "sha512-": nil, "sha512": nil, "md5-kAFQmDzST7DWlj99KOF/cg==": nil, "sha512-" + abc1[5:]: nil, "SHA1" + abc1[4:]: nil,
		abc1[:len(abc1)-1]: nil, strings.Repeat(abc1+" ", 200): nil,
	} {
		sums, err := ParseIntegrity(text)
		var got []string
		for _, s := range sums {
			got = append(got, s.String())
			if again, err := SumOf(s.Hex()); err != nil || again != s || s.IsZero() {
				t.Errorf("%q: of its digits %v, %v", text, again, err)
			}
		}
		if !reflect.DeepEqual(got, want) || errors.Is(err, ErrIntegrity) != (want == nil) {
			t.Errorf("%.80q: %q, %v", text, got, err)
		}
	}
	for _, sri := range []string{abc512, abc256, abc1} {
		sums, err := ParseIntegrity(sri)
		if err != nil {
			t.Fatal(err)
		}
		h := sums[0].New()
		h.Write([]byte("abc"))
		if got := hex.EncodeToString(h.Sum(nil)); got != sums[0].Hex() || !strings.HasPrefix(sri, sums[0].Algorithm()+"-") {
			t.Errorf("%s: %s", sri, got)
		}
	}
	for _, bad := range []string{"", "ab", "zz", strings.Repeat("a", 41)} {
		if _, err := SumOf(bad); !errors.Is(err, ErrIntegrity) {
			t.Errorf("%q is a sum: %v", bad, err)
		}
	}
}

func TestNames(t *testing.T) {
	for name, project := range map[string]string{"react": "react", "@types/node": "@types+node", "JSONStream": "JSONStream", "a.b~(c)!": "a.b~(c)!", "@_x/_y": "@_x+_y"} {
		if err := CheckName(name); err != nil || Project(name) != project || Project(project) != project || Package(project) != name {
			t.Errorf("%s: %v, %s, %s", name, err, Project(name), Package(project))
		}
	}
	for _, name := range []string{"", ".", "..", ".bin", "_x", "-x", "a/b", "@a", "@/b", "@a/", "@a/.b", "@./b", "@a/b/c", "@a/..", "a b", "a+b", "@a+b", "@a/b+c", "a\\b", "a\x00", "é", "Node_Modules", "@a/node_modules", strings.Repeat("a", 215)} {
		if err := CheckName(name); !errors.Is(err, ErrName) {
			t.Errorf("%q is a name: %v", name, err)
		}
	}
	for _, v := range []string{"1.2.3", "0.0.0", "1.0.0-rc.1", "1.0.0+build", "1.0.0-0.a+b.c", "2024.1.15"} {
		if err := CheckVersion(v); err != nil {
			t.Error(err)
		}
	}
	for _, v := range []string{"", "1", "1.2", "1.2.", "1.2.x", "1.2.3.4", "v1.2.3", "1.2.3 ", "1.2.3-a/b", "..", "1.2.3-" + strings.Repeat("a", 200), strings.Repeat("1", 17) + ".0.0"} {
		if err := CheckVersion(v); !errors.Is(err, ErrName) {
			t.Errorf("%q is a version: %v", v, err)
		}
	}
}

func TestTags(t *testing.T) {
	for _, text := range []string{"linux-x64-glibc", "linux-arm64-musl"} {
		tag, err := ParseTag(text)
		if err != nil || tag.String() != text || tag.Row().Tag != text || tag.Row().Ecosystem != Name {
			t.Errorf("%s: %v, %v", text, tag, err)
		}
	}
	for _, text := range []string{"", "linux", "linux-x64", "darwin-arm64-", "linux-x64-glibc-2", "linux-amd64-glibc", "cp311-manylinux_2_36_x86_64"} {
		if _, err := ParseTag(text); !errors.Is(err, ErrTag) {
			t.Errorf("%q is a tag: %v", text, err)
		}
	}
	if tag, ok := HostTag("musl"); ok {
		if again, err := ParseTag(tag.String()); err != nil || again != tag {
			t.Errorf("%v, %v", again, err)
		}
	}
}

func TestDetails(t *testing.T) {
	want := Tarball{Integrity: abc512, Shasum: "a9993e364706816aba3e25717850c26c9cd0d89d"}
	a := snapshot.ManifestArtifact{Ecosystem: Name, Detail: want.Detail()}
	if got, err := TarballOf(a); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, a := range []snapshot.ManifestArtifact{{Ecosystem: "pypi", Detail: a.Detail}, {Ecosystem: Name}, {Ecosystem: Name, Detail: []byte("[]")}} {
		if _, err := TarballOf(a); !errors.Is(err, snapshot.ErrDamaged) {
			t.Errorf("%s of %s: %v", a.Detail, a.Ecosystem, err)
		}
	}
}
