package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// make dist twice gives the same bytes, its deb installs and works in a fresh Debian, and its
// removal leaves nothing but the store. One architecture: the other is the same script's.
func TestE2EDist(t *testing.T) {
	needE2E(t)
	p := newProgram(t)
	dist := func() string {
		dir := t.TempDir()
		p.with("ARCHES=amd64", "HOME="+os.Getenv("HOME")).must("make", "-s", "-C", "../..", "dist", "DIST="+dir)
		return dir
	}
	first, second := dist(), dist()
	sums := p.must("cat", filepath.Join(first, "SHA256SUMS"))
	if again := p.must("cat", filepath.Join(second, "SHA256SUMS")); again != sums || strings.Count(sums, "\n") != 3 {
		t.Errorf("made twice, it differs:\n%s%s", sums, again)
	}
	p.must("sh", "-c", "cd "+first+" && sha256sum --quiet -c SHA256SUMS")

	root := filepath.Join(t.TempDir(), "root")
	p.must("cp", "-a", debian(t), root)
	debs, err := filepath.Glob(filepath.Join(first, "*_amd64.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("%q, %v", debs, err)
	}
	p.must("cp", debs[0], filepath.Join(root, "larder.deb"))
	inside := func(script string) string {
		t.Helper()
		out, err := exec.Command("chroot", root, "/bin/sh", "-euc", "PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH; "+script).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", script, err, out)
		}
		return string(out)
	}
	files := "find / -xdev -type f -not -path '/var/log/*' -not -path '/var/lib/dpkg/*' -not -path '/proc/*' | sort"
	before := inside(files)
	inside("dpkg -i /larder.deb")
	for _, want := range []string{"larder 0.", "larder-hook 0.", "larder-nri 0."} {
		if out := inside("larder --version; /usr/libexec/larder/larder-hook --version; /usr/libexec/larder/larder-nri --version"); !strings.Contains(out, want) {
			t.Errorf("no %q: %s", want, out)
		}
	}
	inside("grep -q /usr/libexec/larder/larder-hook /usr/share/containers/oci/hooks.d/larder-attach.json /etc/cdi/larder-cdi.json")
	inside("grep -q '^ExecStart=/usr/bin/larder build' /usr/lib/systemd/system/larder-build.service")
	inside("grep -q '^ExecStart=/usr/libexec/larder/larder-nri$' /usr/lib/systemd/system/larder-nri.service")
	inside("mkdir -p /var/lib/larder && echo kept > /var/lib/larder/store.json && dpkg -r larder")
	if left := newLines(before, inside(files)); left != "/var/lib/larder/store.json" {
		t.Errorf("left behind: %s", left)
	}
}

// newLines are the lines that after has and before lacks.
func newLines(before, after string) string {
	had := map[string]bool{}
	for line := range strings.Lines(before) {
		had[line] = true
	}
	var more []string
	for line := range strings.Lines(after) {
		if !had[line] {
			more = append(more, strings.TrimSpace(line))
		}
	}
	return strings.Join(more, "\n")
}
