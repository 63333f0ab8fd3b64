package snapshot

import (
	"strings"
	"testing"
)

func TestPackageURLs(t *testing.T) {
	for text, want := range map[string][3]string{
		"pkg:npm/react":                  {"npm", "react", ""},
		"pkg:npm/react@19.1.0":           {"npm", "react", "19.1.0"},
		"pkg:npm/%40scope/name":          {"npm", "@scope/name", ""},
		"pkg:npm/%40scope/name@1.0.0":    {"npm", "@scope/name", "1.0.0"},
		"pkg:npm/a%21b@1.0.0%2Bx":        {"npm", "a!b", "1.0.0+x"},
		"pkg:pypi/flask@1%212.0":         {"pypi", "flask", "1!2.0"},
		"pkg:maven/org.a/b@1.0-SNAPSHOT": {"maven", "org.a/b", "1.0-SNAPSHOT"},
	} {
		ecosystem, pkg, version, err := ParsePackageURL(text)
		if got := [3]string{ecosystem, pkg, version}; err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
		if got := PackageURL(want[0], want[1], want[2]); got != text {
			t.Errorf("%q is written %s", want, got)
		}
	}
	for text, want := range map[string]string{"pkg:npm/@s/c@1.0.0": "pkg:npm/%40s/c@1.0.0", "pkg:npm/@s/c": "pkg:npm/%40s/c", "pkg:NPM/c": "pkg:npm/c", "pkg:npm/c@1.0.0+x": "pkg:npm/c@1.0.0%2Bx"} {
		if ecosystem, pkg, version, err := ParsePackageURL(text); err != nil || PackageURL(ecosystem, pkg, version) != want {
			t.Errorf("%s: %s, %s, %s, %v", text, ecosystem, pkg, version, err)
		}
	}
	for _, text := range []string{"", "react", "pkg:", "pkg:npm", "pkg:npm/", "pkg:/react", "pkg:npm/react@", "pkg:npm/react@1?arch=x", "pkg:npm/react#sub", "pkg:npm/%zz", "pkg:npm/a@%zz", "pkg:n m/react"} {
		if _, _, _, err := ParsePackageURL(text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is denied of one ecosystem is named so that revoke --undo finds it again.
func TestDenialsByPackageURL(t *testing.T) {
	for text, name := range map[string]string{
		"pkg:npm/%40s/c@1.0.0": "pkg:npm/%40s/c@1.0.0", "pkg:npm/@s/c": "pkg:npm/%40s/c", "pkg:pypi/Evil.Package@1.0": "pkg:pypi/Evil.Package@1.0",
		"@s/c==1.0.0": "@s/c==1.0.0", "evil": "evil",
		"evil@1.0": "evil==1.0", "@s/c@1.0.0": "@s/c==1.0.0", "@s/c": "@s/c",
	} {
		d, err := ParseDenial(text)
		if err != nil || d.Name() != name || (d.Ecosystem != "") != IsPackageURL(text) {
			t.Errorf("%s: %+v, %v", text, d, err)
		}
		if again, err := ParseDenial(d.Name()); err != nil || again != d {
			t.Errorf("%s again: %+v, %v", text, again, err)
		}
	}
	for _, text := range []string{"pkg:npm/", "pkg:npm/..", "pkg:npm/a%0Ab", "pkg:npm/a@1%20", "pkg:npm/a==1", "pkg:npm/a@>=1", "a@", "a@b@1", "a@b==1", "a@>=1"} {
		if d, err := ParseDenial(text); err == nil {
			t.Errorf("%q: %+v", text, d)
		}
	}
}
