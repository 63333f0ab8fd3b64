package oci

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// The fields are runtime-spec's own: what its types write is what we read.
func TestParseSpec(t *testing.T) {
	data, err := json.Marshal(specs.Spec{
		Root:        &specs.Root{Path: "rootfs", Readonly: true},
		Process:     &specs.Process{User: specs.User{UID: 1000, GID: 100}, Env: []string{"HOME=/a", "X", "HOME=/b"}, Cwd: "/work"},
		Annotations: map[string]string{"dev.larder.profile": "ml"},
		Linux:       &specs.Linux{MountLabel: "system_u:object_r:container_file_t:s0:c1,c2", Seccomp: &specs.LinuxSeccomp{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseSpec(data)
	if err != nil {
		t.Fatal(err)
	}
	if s.Root != "rootfs" || s.UID != 1000 || s.GID != 100 || s.Cwd != "/work" || s.Annotations["dev.larder.profile"] != "ml" || s.MountLabel == "" {
		t.Errorf("read %+v", s)
	}
	if home := s.Getenv("HOME"); home != "/b" {
		t.Errorf("HOME is %q, want the last one", home)
	}
	if x := s.Getenv("X"); x != "" {
		t.Errorf("X has no value, read %q", x)
	}
	if _, err := ParseSpec([]byte(`{}`)); err != nil {
		t.Errorf("nothing we use: %v", err)
	}
}

func TestParseSpecRefuses(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", "empty"},
		{"{", "cut short"},
		{`{"root":1}`, "root: not a JSON object"},
		{`{"root":{"path":1}}`, "path: wrong type"},
		{`{"root":{},"root":{}}`, `"root" occurs twice`},
		{`{"root":{"path":"a","path":"b"}}`, `root: "path" occurs twice`},
		{`{"process":{"user":{"uid":-1}}}`, "uid: wrong type"},
		{`{"process":{"user":{"uid":4294967296}}}`, "uid: wrong type"},
		{`{"process":{"user":7}}`, "process.user: not a JSON object"},
		{`{"process":{"env":"HOME=/"}}`, "env: wrong type"},
		{`{"linux":{"mountLabel":[]}}`, "linux.mountLabel: wrong type"},
		{`{"annotations":{"a":[]}}`, `"a" is not a string`},
	} {
		if _, err := ParseSpec([]byte(tc.in)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.in, err, tc.want)
		}
	}
}

func TestReadSpec(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(config string) error
		want string
	}{
		{"missing", func(string) error { return nil }, "no such file"},
		{"directory", func(c string) error { return os.Mkdir(c, 0o755) }, "not a regular file"},
		{"fifo", func(c string) error { return unix.Mkfifo(c, 0o600) }, "not a regular file"},
		{"link", func(c string) error { return os.Symlink("/etc/hostname", c) }, "too many levels"},
		{"large", func(c string) error {
			if err := os.WriteFile(c, nil, 0o600); err != nil {
				return err
			}
			return os.Truncate(c, maxSpec+1)
		}, "larger than"},
		{"malformed", func(c string) error { return os.WriteFile(c, []byte("{"), 0o600) }, "cut short"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tc.make(filepath.Join(dir, "config.json")); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadSpec(dir); !errors.Is(err, ErrSpec) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestHome(t *testing.T) {
	passwd := "root:x:0:0:root:/root:/bin/sh\n# comment\nbroken\nneg:x:-1:0::/neg:\nalice:x:1000:100:A:/home/alice:/bin/sh\nnohome:x:7:7:::\nlast:x:8:8::/last"
	read := func(name string, limit int64) ([]byte, error) {
		if name != "/etc/passwd" || limit < 1<<10 {
			t.Errorf("read %q up to %d", name, limit)
		}
		return []byte(passwd), nil
	}
	for _, tc := range []struct {
		spec Spec
		want string
	}{
		{Spec{Env: []string{"HOME=/h"}}, "/h"},
		{Spec{Env: []string{"HOME="}}, "/root"},
		{Spec{}, "/root"},
		{Spec{UID: 1000}, "/home/alice"},
		{Spec{UID: 8}, "/last"},
		{Spec{UID: 7}, "/"},
		{Spec{UID: 9}, "/"},
		{Spec{UID: 9, Env: []string{"HOME=/h"}}, "/h"},
	} {
		got, err := tc.spec.Home(read)
		if got != tc.want || err != nil {
			t.Errorf("%+v: %q, %v; want %q", tc.spec, got, err, tc.want)
		}
	}
	if got, err := (Spec{}).Home(func(string, int64) ([]byte, error) { return nil, os.ErrNotExist }); got != "/" || err != nil {
		t.Errorf("no passwd: %q, %v", got, err)
	}
	if _, err := (Spec{}).Home(func(string, int64) ([]byte, error) { return nil, os.ErrPermission }); !errors.Is(err, ErrNoHome) || !errors.Is(err, os.ErrPermission) {
		t.Errorf("a passwd that cannot be read: %v", err)
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add([]byte(`{"root":{"path":"rootfs"},"process":{"user":{"uid":1},"env":["HOME=/x"]},"linux":{"mountLabel":""}}`))
	f.Add([]byte(`{"root":{"path":null},"annotations":{"a":"b"}}`))
	f.Add([]byte(`{"process":{"user":{"uid":1e3}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseSpec(data); err == nil {
			_, _ = s.Home(func(string, int64) ([]byte, error) { return data, nil })
		}
	})
}
