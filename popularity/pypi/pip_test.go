package pypi

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"larder/popularity/misses"
)

// smallWheel is the least that pip installs.
func smallWheel(t *testing.T, project, version string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	info := project + "-" + version + ".dist-info/"
	for _, f := range [][2]string{
		{project + ".py", "x = 1\n"},
		{info + "METADATA", "Metadata-Version: 2.1\nName: " + project + "\nVersion: " + version + "\n"},
		{info + "WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
		{info + "RECORD", project + ".py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n"},
	} {
		w, err := z.Create(f[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestE2EPip lets the python3 on PATH fill a cache from an index on loopback
// that sends the headers the public one does, and reads what its pip wrote.
func TestE2EPip(t *testing.T) {
	if os.Getenv("LARDER_E2E") != "1" {
		t.Skip("set LARDER_E2E=1 (runs a real pip)")
	}
	wheel := smallWheel(t, "missed", "1.2")
	mux := http.NewServeMux()
	mux.HandleFunc("/simple/missed/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<a href="/files/missed-1.2-py3-none-any.whl#sha256=%x">missed-1.2-py3-none-any.whl</a>`, sha256.Sum256(wheel))
	})
	mux.HandleFunc("/files/", func(w http.ResponseWriter, r *http.Request) {
		for k, v := range map[string]string{"Cache-Control": "max-age=365000000, immutable, public", "Date": time.Now().UTC().Format(http.TimeFormat), "ETag": `"x"`,
			"x-pypi-file-project": "missed", "x-pypi-file-version": "1.2", "x-pypi-file-python-version": "py3", "x-pypi-file-package-type": "bdist_wheel"} {
			w.Header().Set(k, v)
		}
		_, _ = w.Write(wheel)
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	host, _ := url.Parse(srv.URL)
	upper := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "python3", "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--target", upper+"/lib/python3.11/site-packages",
		"--cache-dir", upper+"/cache", "--index-url", srv.URL+"/simple", "--trusted-host", host.Hostname(), "missed")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "PIP_CONFIG_FILE=/dev/null"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pip: %v\n%s", err, out)
	}
	got, found := scanOf(t, upper, misses.Limits{})
	if want := []string{"downloaded missed 1.2", "installed missed 1.2 3.11"}; !slices.Equal(got, want) {
		t.Errorf("found %q in %d entries, want %q", got, found.Entries, want)
	}
}
