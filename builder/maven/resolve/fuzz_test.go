package resolve

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/sandbox"
)

// A POM is taken or refused in one line, whatever is in it.
func FuzzPOM(f *testing.F) {
	for _, text := range []string{"<project/>", "<project><a>&lt;</a></project>", "<!DOCTYPE x><project/>", "<?xml version='1.0' encoding='x'?><project>\xff</project>", "<project><![CDATA[", "<a/><project/>"} {
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		err := checkPOM(write(t, filepath.Join(dir, "pom.xml"), text))
		if err != nil {
			refused(t, "fuzz", err, BadPOM, "pom.xml: bad-pom: ")
		} else if !strings.Contains(text, "project") {
			t.Errorf("%q is taken", text)
		}
	})
}

// What a build says is one line of bounded length.
func FuzzLog(f *testing.F) {
	f.Add("[ERROR] a\n[FATAL] b\n at c\n")
	f.Add("[ERROR]")
	f.Add("[ERROR] [ERROR] Some problems were encountered\n\x1b[31m\xff")
	f.Fuzz(func(t *testing.T, log string) {
		err := at("pom.xml", failureOf(&sandbox.Result{Status: 1, Log: []byte(log)}, sandbox.Limits{}))
		var failure *Failure
		if !errors.As(err, &failure) || failure.Detail == "" || strings.ContainsAny(err.Error(), "\n\r\x1b\u202e") || len(err.Error()) > 4000 || failure.Hint() == "" {
			t.Errorf("%q", err)
		}
	})
}
