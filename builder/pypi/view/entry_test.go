package view

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/tinylib/msgp/msgp"

	"larder/snapshot/pypi"
)

// The second and third columns are what pip 23.2.1's own code answers: the key
// (_ensure_quoted_url, requests, CacheController.cache_url) and the first twelve
// digits of its SHA-224.
var keys = [][3]string{
	{"https://files.example/a/b/numpy-1.0-py3-none-any.whl", "https://files.example/a/b/numpy-1.0-py3-none-any.whl", "6c633841b5bb"},
	{"https://Files.Example/a/torch-2.0+cpu-cp311-cp311-linux_x86_64.whl", "https://files.example/a/torch-2.0%2Bcpu-cp311-cp311-linux_x86_64.whl", "b39bf08afc28"},
	{"https://files.example/a/torch-2.0%2Bcpu.whl", "https://files.example/a/torch-2.0%2Bcpu.whl", "88d60b69f0b7"},
	{"https://files.example/a%2fb@c d.whl", "https://files.example/a%2Fb@c%20d.whl", "1933a062fc91"},
	{"https://files.example", "https://files.example/", "c28beca87317"},
	{"https://files.example/x.whl?sig=A%20b&y=1#sha256=00", "https://files.example/x.whl?sig=A%20b&y=1", "4247be5cb398"},
	{"http://127.0.0.1:8080/f/é.whl", "http://127.0.0.1:8080/f/%C3%A9.whl", "248d14627f19"},
	{"https://files.example/a/%7Euser/x.whl", "https://files.example/a/~user/x.whl", "ee47d0a5a819"},
	{"https://files.example/a/x(1)!*'.whl", "https://files.example/a/x%281%29%21%2A%27.whl", "dafc93986967"},
	{"https://user:secret@files.example/x.whl", "https://files.example/x.whl", ""}, // credentials never reach the key
}

func TestKey(t *testing.T) {
	for _, k := range keys {
		if got := pypi.CacheKey(k[0]); got != k[1] {
			t.Errorf("CacheKey(%q) = %q, pip has %q", k[0], got, k[1])
		}
		p := Path(k[0])
		if _, name, _ := strings.Cut(p[len("http-v2/"):], "/"); k[2] != "" && !strings.HasSuffix(p[:len(p)-44], k[2]) {
			t.Errorf("Path(%q) = %q (%s), pip has …%s", k[0], p, name, k[2])
		}
	}
}

func TestPathShape(t *testing.T) {
	u := "https://files.example/a/b/numpy-1.0-py3-none-any.whl"
	if got, want := Path(u)[:18], "http-v2/6/c/6/3/3/"; got != want {
		t.Errorf("Path = %s…, want %s…", got, want)
	}
	if got, want := OldPath(u)[:15], "http/6/c/6/3/3/"; got != want {
		t.Errorf("OldPath = %s…, want %s…", got, want)
	}
}

func TestEntryReadsBack(t *testing.T) {
	body := []byte("wheel bytes")
	for _, old := range []bool{false, true} {
		entry := Entry("application/octet-stream", int64(len(body)), "aa")
		want := []byte(nil)
		if old {
			r, ok := OldEntry("application/octet-stream", int64(len(body)), "aa", bytes.NewReader(body))
			if !ok {
				t.Fatal("refused")
			}
			entry, _ = io.ReadAll(r)
			want = body
		}
		rest, ok := bytes.CutPrefix(entry, []byte("cc=4,"))
		if !ok {
			t.Fatalf("entry opens with %q", entry[:8])
		}
		v, rest, err := msgp.ReadMapStrIntfBytes(rest, nil)
		if err != nil || len(rest) != 0 {
			t.Fatalf("old=%v: %v, %d bytes over", old, err, len(rest))
		}
		response := v["response"].(map[string]any)
		if got := response["body"].([]byte); !bytes.Equal(got, want) {
			t.Errorf("body = %q, want %q", got, want)
		}
		headers := response["headers"].(map[string]any)
		if headers["Content-Length"] != "11" || headers["ETag"] != `"aa"` || headers["Date"] == nil {
			t.Errorf("headers = %v", headers)
		}
	}
}

func TestOldEntryTooLarge(t *testing.T) {
	if _, ok := OldEntry("x", 1<<32, "", nil); ok {
		t.Error("a body of 4 GiB does not fit bin32")
	}
}

func TestEntryIsReproducible(t *testing.T) {
	if !bytes.Equal(Entry("a", 1, "b"), Entry("a", 1, "b")) {
		t.Error("two entries of the same input differ")
	}
}
