package oci

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

const good = `{"ociVersion":"1.0.2","id":"c1","status":"creating","pid":4242,"bundle":"/run/c1","annotations":{"dev.larder.profile":"ml"}}`

func TestParseState(t *testing.T) {
	s, err := ParseState([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if s.ID != "c1" || s.PID != 4242 || s.Bundle != "/run/c1" || s.Annotations["dev.larder.profile"] != "ml" {
		t.Errorf("read %+v", s)
	}
	if err := s.Live(); err != nil {
		t.Error(err)
	}
	// At poststop there is no pid and the bundle may be gone.
	s, err = ParseState([]byte(`{"id":"c1","status":"stopped","bundle":"/gone","annotations":null}`))
	if err != nil || s.Live() == nil {
		t.Errorf("stopped: %v, live %v", err, s.Live())
	}
}

func TestParseStateRefuses(t *testing.T) {
	deep := strings.Repeat("[", 100000) + strings.Repeat("]", 100000)
	var many strings.Builder
	for i := range 10000 {
		many.WriteString(`,"k` + strings.Repeat("x", i%7) + time.Duration(i).String() + `":""`)
	}
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", "empty"},
		{"blank", " \n", "empty"},
		{"garbage", "garbage", "not JSON"},
		{"html", "<html>", "not JSON"},
		{"array", "[]", "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"cut short", good[:40], "cut short"},
		{"cut at the end", good[:len(good)-1], "cut short"},
		{"trailing object", good + good, "something follows"},
		{"trailing garbage", good + "x", "something follows"},
		{"byte order mark", "\xef\xbb\xbf" + good, "byte order mark"},
		{"not utf-8", strings.Replace(good, "c1", "c\xff", 1), "not valid UTF-8"},
		{"pid twice", strings.Replace(good, `"pid"`, `"pid":1,"pid"`, 1), `"pid" occurs twice`},
		{"annotation twice", `{"id":"c1","annotations":{"a":"1","a":"2"}}`, `annotations: "a" occurs twice`},
		{"many annotations", `{"id":"c1","annotations":{"a":""` + many.String() + `}}`, "more than 4096 names"},
		{"annotation no string", `{"id":"c1","annotations":{"a":1}}`, `"a" is not a string`},
		{"annotation null", `{"id":"c1","annotations":{"a":null}}`, `"a" is not a string`},
		{"annotations a list", `{"id":"c1","annotations":[]}`, "annotations: not a JSON object"},
		{"deep", `{"id":"c1","x":` + deep + `}`, "not JSON"},
		{"no id", `{"status":"creating"}`, "no id"},
		{"id case", `{"ID":"c1"}`, "no id"},
		{"id number", `{"id":7}`, "id: wrong type"},
		{"id dot", `{"id":".."}`, `id ".."`},
		{"id dash", `{"id":"-rf"}`, `id "-rf"`},
		{"id slash", `{"id":"a/../../b"}`, "a character that no runtime allows"},
		{"id newline", `{"id":"a\nb"}`, "a character that no runtime allows"},
		{"id NUL", `{"id":"a\u0000b"}`, "a character that no runtime allows"},
		{"id unicode", `{"id":"ä"}`, "a character that no runtime allows"},
		{"id long", `{"id":"` + strings.Repeat("a", 5000) + `"}`, "id of 5000 bytes"},
		{"pid negative", `{"id":"c","pid":-1}`, "pid -1 is out of range"},
		{"pid large", `{"id":"c","pid":1099511627776}`, "out of range"},
		{"pid larger", `{"id":"c","pid":1e30}`, "pid: wrong type"},
		{"pid text", `{"id":"c","pid":"1"}`, "pid: wrong type"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseState([]byte(tc.in))
			if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error %v, want ErrState with %q", err, tc.want)
			}
			if msg := err.Error(); strings.ContainsAny(msg, "\n\x00") || len(msg) > 300 {
				t.Errorf("message is not one short line: %q", msg)
			}
		})
	}
}

func TestStateLiveRefuses(t *testing.T) {
	for _, tc := range []struct {
		s    State
		want string
	}{
		{State{ID: "c", Status: "stopped", PID: 9, Bundle: "/b"}, `status "stopped"`},
		{State{ID: "c", Status: "running", PID: 9, Bundle: "/b"}, `status "running"`},
		{State{ID: "c", PID: 9, Bundle: "/b"}, `status ""`},
		{State{ID: "c", Status: "creating", PID: 0, Bundle: "/b"}, "pid 0"},
		{State{ID: "c", Status: "creating", PID: 1, Bundle: "/b"}, "pid 1"},
		{State{ID: "c", Status: "created", PID: 9}, `bundle "" is not an absolute path`},
		{State{ID: "c", Status: "created", PID: 9, Bundle: "b"}, `bundle "b" is not an absolute path`},
	} {
		if err := tc.s.Live(); !errors.Is(err, ErrState) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: %v, want %q", tc.s, err, tc.want)
		}
	}
}

func TestRootFS(t *testing.T) {
	for _, tc := range []struct{ bundle, state, spec, want string }{
		{"/b", "", "rootfs", "/b/rootfs"},
		{"/b", "", "/srv/root", "/srv/root"},
		{"/b", "/crun/root", "rootfs", "/crun/root"},
		{"/b", "rel", "rootfs", "/b/rel"},
		{"/b/c", "", "../root", "/b/root"},
		{"/", "/crun/root", "", "/crun/root"},
		{"/b", "", "", ""},
		{"/", "", "rootfs", ""},
		{"/b", "", "/", ""},
		{"/b", "", "/./", ""},
		{"/b", "", "..", ""},
		{"/b", "", "../../..", ""},
		{"/b", "/", "rootfs", ""},
		{"/b", "", "a\x00b", ""},
	} {
		got, err := State{Bundle: tc.bundle, Root: tc.state}.RootFS(Spec{Root: tc.spec})
		if got != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("bundle %q, state %q, config %q: %q, %v; want %q", tc.bundle, tc.state, tc.spec, got, err, tc.want)
		}
	}
}

func TestReadState(t *testing.T) {
	feed := func(write func(w *os.File)) (State, error) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		done := make(chan struct{})
		go func() { write(w); close(done) }()
		s, err := ReadState(r, 300*time.Millisecond)
		r.Close()
		<-done
		return s, err
	}
	s, err := feed(func(w *os.File) {
		for _, b := range []byte(good) {
			w.Write([]byte{b})
		}
		w.Close()
	})
	if err != nil || s.ID != "c1" {
		t.Errorf("a byte at a time: %+v, %v", s, err)
	}
	if _, err = feed(func(w *os.File) { w.Close() }); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("nothing: %v", err)
	}
	// All of it is read although it is too much, else the writer gets EPIPE.
	var wrote error
	_, err = feed(func(w *os.File) {
		_, wrote = w.Write(make([]byte, 2<<20))
		w.Close()
	})
	if err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") || wrote != nil {
		t.Errorf("2 MiB: %v; the writer saw %v", err, wrote)
	}
	start := time.Now()
	_, err = feed(func(w *os.File) {
		w.Write([]byte(good))
		time.Sleep(400 * time.Millisecond)
		w.Close()
	})
	if err == nil || !strings.Contains(err.Error(), "not complete after 300ms") || time.Since(start) > 2*time.Second {
		t.Errorf("never closed: %v after %v", err, time.Since(start))
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := ReadState(dir, time.Second); !errors.Is(err, ErrState) {
		t.Errorf("a directory as stdin: %v", err)
	}
}

func FuzzParseState(f *testing.F) {
	for _, s := range []string{good, `{"id":"x","pid":1,"annotations":{}}`, "{}", "[", `{"id":"a","id":"b"}`, "\xef\xbb\xbf{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseState(data)
		if err != nil {
			return
		}
		if s.ID == "" || strings.ContainsAny(s.ID, "/\x00\n") || s.PID < 0 {
			t.Errorf("accepted %+v", s)
		}
		if root, err := s.RootFS(Spec{Root: "rootfs"}); err == nil && (root == "/" || !strings.HasPrefix(root, "/")) && s.Live() == nil {
			t.Errorf("root %q of %+v", root, s)
		}
	})
}
