package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Settings give an address that can be asked, or are refused in one line; a password is in neither.
func FuzzSettings(f *testing.F) {
	for _, text := range []string{mirrorXML("m", "*", "https://u:s3cret@m.example/${env.X}"), blocker, "<offline>true</offline>", "<proxies><proxy><host>p</host><password>s3cret</password></proxy></proxies>"} {
		f.Add(settings(text + "<servers><server><id>m</id><username>u</username><password>s3cret</password></server></servers>"))
	}
	home := f.TempDir()
	if err := os.Mkdir(filepath.Join(home, ".m2"), 0o755); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(filepath.Join(home, ".m2/settings.xml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := from(Installation{}, ErrNoMaven, func(name string) (string, bool) { return home, name == "HOME" })
		switch {
		case err != nil:
			if !errors.Is(err, ErrConfig) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
		case !strings.HasPrefix(c.Repository, "http") || strings.HasSuffix(c.Repository, "/"):
			t.Errorf("%q", c.Repository)
		}
	})
}
