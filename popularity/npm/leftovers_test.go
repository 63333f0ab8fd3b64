package npm

import (
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"larder/popularity/misses"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/npm"
)

func TestMain(m *testing.M) {
	row := npm.Ecosystem
	row.Leftovers = Leftovers{}
	ecosystem.Register(row)
	os.Exit(m.Run())
}

const registry = "https://registry.example/npm/"

func write(t *testing.T, root, path string, data []byte) string {
	t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func integrityOf(data string) string {
	sum := sha512.Sum512([]byte(data))
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// put writes content as cacache does, by formats seen and not by what reads it.
func put(t *testing.T, root, data string) string {
	sum := sha512.Sum512([]byte(data))
	digits := hex.EncodeToString(sum[:])
	write(t, root, "_cacache/content-v2/sha512/"+digits[:2]+"/"+digits[2:4]+"/"+digits[4:], []byte(data))
	return integrityOf(data)
}

func line(key, integrity string) string {
	text := fmt.Sprintf(`{"key":%q,"integrity":%q,"time":1790000000000,"size":4,"metadata":{"time":1790000000000,"url":%q,"reqHeaders":{},"resHeaders":{"etag":"x"},"options":{"compress":true}}}`, key, integrity, key)
	if integrity == "" {
		text = fmt.Sprintf(`{"key":%q,"integrity":null,"time":1790000000000}`, key)
	}
	return fmt.Sprintf("\n%x\t%s", sha1.Sum([]byte(text)), text)
}

func bucket(key string) string {
	digits := snapshot.Sum([]byte(key)).String()
	return "_cacache/index-v5/" + digits[:2] + "/" + digits[2:4] + "/" + digits[4:]
}

// keep writes an entry of the index, and returns its file.
func keep(t *testing.T, root, address, integrity string) string {
	key := "make-fetch-happen:request-cache:" + address
	return write(t, root, bucket(key), []byte(line(key, integrity)))
}

func scan(t *testing.T, dir string) (got []string, found misses.Found) {
	t.Helper()
	found, err := misses.Scan(t.Context(), dir, misses.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range found.Misses {
		got = append(got, m.Ecosystem+" "+m.Kind+" "+m.Project+" "+m.Version+m.Target)
	}
	return got, found
}

// A tarball whose entry and content are both new is a miss. One whose entry was written again, a page of a
// package, and what no registry has, are none.
func TestScan(t *testing.T) {
	dir := t.TempDir()
	keep(t, dir, registry+"react/-/react-18.3.1.tgz", put(t, dir, "react"))
	keep(t, dir, registry+"@types/node/-/node-20.11.0.tgz?write=true", put(t, dir, "types"))
	keep(t, dir, registry+"%40corp%2fprivate/-/private-1.0.0-rc.1.tgz", put(t, dir, "private"))
	keep(t, dir, registry+"name-2/-/name-2-3.0.0.tgz", put(t, dir, "digits"))
	keep(t, dir, registry+"hit/-/hit-1.0.0.tgz", integrityOf("hit"))
	keep(t, dir, registry+"react", put(t, dir, `{"name":"react"}`))
	keep(t, dir, "https://codeload.example/user/repo/tar.gz/abc", put(t, dir, "git"))
	deleted := "make-fetch-happen:request-cache:" + registry + "deleted/-/deleted-1.0.0.tgz"
	write(t, dir, bucket(deleted), []byte(line(deleted, put(t, dir, "deleted"))+line(deleted, "")))
	again := "make-fetch-happen:request-cache:" + registry + "again/-/again-1.0.0.tgz"
	write(t, dir, bucket(again), []byte(line(again, integrityOf("else"))+line(again, put(t, dir, "again"))+"\ntorn"))
	write(t, dir, "_logs/2026-11-22T22_00_00_000Z-debug-0.log", []byte("0 verbose cli\n"))
	write(t, dir, "_cacache/tmp/1234", nil)
	want := []string{"npm downloaded @corp+private 1.0.0-rc.1", "npm downloaded @types+node 20.11.0", "npm downloaded again 1.0.0", "npm downloaded name-2 3.0.0", "npm downloaded react 18.3.1"}
	got, found := scan(t, dir)
	if !slices.Equal(got, want) || found.Stopped != "" {
		t.Errorf("found %q (%s), want %q", got, found.Stopped, want)
	}
	// What was asked for names what is stocked: by its page, or by its tarball.
	asked := found.Parts[0].Asked
	for _, row := range []snapshot.ManifestArtifact{
		{Project: "react", Index: registry, URL: registry + "react/-/react-17.0.0.tgz"},
		{Project: "hit", Index: registry, URL: registry + "hit/-/hit-1.0.0.tgz"},
	} {
		if !slices.ContainsFunc((Leftovers{}).Keys(row), func(key string) bool { return slices.Contains(asked, key) }) {
			t.Errorf("%s was not asked for", row.Project)
		}
	}
	if slices.ContainsFunc((Leftovers{}).Keys(snapshot.ManifestArtifact{Project: "other", Index: registry, URL: registry + "other/-/other-1.0.0.tgz"}), func(key string) bool { return slices.Contains(asked, key) }) {
		t.Error("other was asked for")
	}
	if keys := (Leftovers{}).Keys(snapshot.ManifestArtifact{Project: "@types+node", Index: registry}); keys[0] != snapshot.Sum([]byte("make-fetch-happen:request-cache:"+registry+"@types%2fnode")).String() {
		t.Error("the page of a package with a scope has another address")
	}
}

// Content that is the snapshot's, and came into the upper because somebody changed its mode, is no download.
func TestMountScanCopiedUp(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root writes the kernel's marks")
	}
	dir := t.TempDir()
	keep(t, dir, registry+"a/-/a-1.0.0.tgz", put(t, dir, "a"))
	file := keep(t, dir, registry+"b/-/b-1.0.0.tgz", put(t, dir, "b"))
	sum := sha512.Sum512([]byte("a"))
	digits := hex.EncodeToString(sum[:])
	for _, path := range []string{file, filepath.Join(dir, "_cacache/content-v2/sha512", digits[:2], digits[2:4], digits[4:])} {
		if err := unix.Setxattr(path, "trusted.overlay.origin", []byte{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got, found := scan(t, dir); len(got) > 0 || len(found.Parts[0].Asked) != 1 {
		t.Errorf("%q, %+v", got, found.Parts)
	}
}

// Whatever an upper holds, the scan ends, opens nothing it should not, and what it returns are names.
func TestScanHostile(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	good := put(t, dir, "good")
	keep(t, dir, registry+"good/-/good-1.0.0.tgz", good)
	// Names that are none, of content that is there.
	for _, address := range []string{
		registry + "../../-/..-1.0.0.tgz", registry + "-e/-/-e-1.0.0.tgz", registry + "a%0ab/-/a%0ab-1.0.0.tgz", registry + "%2e%2e/-/..-1.0.0.tgz", registry + "a/-/b-1.0.0.tgz", registry + "a/-/a-.tgz",
		registry + "a/-/a-1.0.0.tgz/../../x.tgz", registry + "a/-/a-1.tgz", registry + "a/-/a-1.0.0%2f..%2fx.tgz", registry + "node_modules/-/node_modules-1.0.0.tgz", registry + strings.Repeat("a", 300) + "/-/" + strings.Repeat("a", 300) + "-1.0.0.tgz",
		"%zz", "", registry + "/-/-1.0.0.tgz", registry + strings.Repeat("x/", 5000) + "long/-/long-1.0.0.tgz", registry + "@/x/-/x-1.0.0.tgz", registry + "@a/-/-/--1.0.0.tgz",
	} {
		key := "make-fetch-happen:request-cache:" + address
		write(t, dir, bucket(key), []byte(line(key, good)))
	}
	// Entries in a place that is not theirs, or not as npm writes them.
	at := func(name string) string {
		return bucket("make-fetch-happen:request-cache:" + registry + name + "/-/" + name + "-1.0.0.tgz")
	}
	of := func(name string) string {
		return line("make-fetch-happen:request-cache:"+registry+name+"/-/"+name+"-1.0.0.tgz", good)
	}
	deep := `{"key":"x","integrity":` + strings.Repeat("[", 20_000)
	for name, text := range map[string]string{
		"elsewhere": of("another"), "empty": "", "text": "hello", "unsummed": strings.Replace(of("unsummed"), "\t", "0\t", 1), "cut": of("cut")[:100], "large": strings.Repeat("\n", 70<<10) + of("large"),
		"lines": of("lines") + strings.Repeat("\nx", 200), "array": fmt.Sprintf("\n%x\t[]", sha1.Sum([]byte("[]"))), "deep": fmt.Sprintf("\n%x\t%s", sha1.Sum([]byte(deep)), deep),
		"other-key":    line("pacote:tarball:file:other-key", good),
		"no-integrity": line("make-fetch-happen:request-cache:"+registry+"no-integrity/-/no-integrity-1.0.0.tgz", "sha512-"),
		"md5":          line("make-fetch-happen:request-cache:"+registry+"md5/-/md5-1.0.0.tgz", "md5-kAFQmDzST7DWlj99KOF/cg=="),
		"path":         line("make-fetch-happen:request-cache:"+registry+"path/-/path-1.0.0.tgz", "sha512-../../../etc/passwd"),
	} {
		write(t, dir, at(name), []byte(text))
	}
	write(t, dir, "_cacache/index-v5/zz/"+filepath.Base(at("place")), []byte(of("place")))
	write(t, dir, "npm/"+at("below"), []byte(of("below")))
	// Ten gigabytes that are not there; a pipe; links to a bucket, to content and to the whole index.
	if err := os.Truncate(write(t, dir, at("sparse"), []byte(of("sparse"))), 10<<30); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{at("fifo"), at("linked")} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, at("fifo")), 0o600); err != nil {
		t.Fatal(err)
	}
	link := func(to, path string) {
		t.Helper()
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
	}
	write(t, outside, "bucket", []byte(of("linked")))
	link(filepath.Join(outside, "bucket"), at("linked"))
	sum := sha512.Sum512([]byte("far"))
	digits := hex.EncodeToString(sum[:])
	link(write(t, outside, "far", []byte("far")), "_cacache/content-v2/sha512/"+digits[:2]+"/"+digits[2:4]+"/"+digits[4:])
	keep(t, dir, registry+"far/-/far-1.0.0.tgz", integrityOf("far"))
	sum = sha512.Sum512([]byte("farther"))
	digits = hex.EncodeToString(sum[:])
	put(t, outside, "farther")
	link(filepath.Join(outside, "_cacache/content-v2/sha512", digits[:2]), "_cacache/content-v2/sha512/"+digits[:2])
	keep(t, dir, registry+"farther/-/farther-1.0.0.tgz", integrityOf("farther"))
	if got, found := scan(t, dir); !slices.Equal(got, []string{"npm downloaded good 1.0.0"}) || found.Stopped != "" {
		t.Errorf("found %q (%s)", got, found.Stopped)
	}
	whole := t.TempDir()
	if err := os.Mkdir(filepath.Join(whole, "_cacache"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index-v5", "content-v2"} {
		if err := os.Symlink(filepath.Join(dir, "_cacache", name), filepath.Join(whole, "_cacache", name)); err != nil {
			t.Fatal(err)
		}
	}
	if got, _ := scan(t, whole); len(got) > 0 {
		t.Errorf("through links: %q", got)
	}
}

// An address as registries have them, and nothing else, names a package.
func TestTarball(t *testing.T) {
	for address, want := range map[string]string{
		registry + "a/-/a-1.0.0.tgz": "a 1.0.0", "https://h.example/@s/a/-/a-1.0.0.tgz": "@s/a 1.0.0", "https://h.example/@s%2fa/-/a-1.0.0.tgz": "@s/a 1.0.0",
		"https://h.example/x/@s/a/-/@s/a-1.0.0.tgz": "@s/a 1.0.0", "https://h.example/a/-/a-1.0.0.tar": "", "https://h.example/a/a-1.0.0.tgz": "", "https://h.example/a/-/b-1.0.0.tgz": "",
	} {
		pkg, version, ok := tarball(address)
		if got := strings.TrimSpace(pkg + " " + version); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v", address, got, ok)
		}
	}
}
