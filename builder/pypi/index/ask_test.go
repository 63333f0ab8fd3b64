package index_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"larder/builder/pypi/index"
	"larder/builder/pypi/pypitest"
)

// cleanEnv takes away what this machine has configured for pip.
func cleanEnv(t *testing.T) {
	t.Helper()
	for _, e := range os.Environ() {
		key, _, _ := strings.Cut(e, "=")
		if strings.HasPrefix(key, "PIP_") || strings.HasSuffix(strings.ToUpper(key), "_PROXY") || strings.HasSuffix(key, "_CA_BUNDLE") || key == "NETRC" {
			t.Setenv(key, "") // remembers it
			os.Unsetenv(key)
		}
	}
	t.Setenv("PIP_CONFIG_FILE", os.DevNull)
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(t.TempDir(), "none"))
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// withoutPip runs the script in an interpreter that finds no pip anywhere.
var withoutPip = []string{"python3", "-c", "import sys\nsys.modules['pip'] = sys.modules['ensurepip'] = None\nexec(sys.argv[2])"}

var askers = map[string][]string{"pip": {"python3"}, "no pip": withoutPip}

func TestFromPipFile(t *testing.T) {
	for name, python := range askers {
		t.Run(name, func(t *testing.T) {
			cleanEnv(t)
			t.Setenv("PIP_CONFIG_FILE", write(t, "pip.conf", `[global]
index-url = https://someone:secret@index.example/root/simple
extra-index-url =
    https://index.example/extra/simple/
    https://:token@other.example/simple
timeout = 7
retries = 3
trusted-host = a.example
    b.example:8080
[install]
timeout = 8
[download]
timeout = 9
`))
			t.Setenv("PIP_CERT", "/ca.pem")
			t.Setenv("REQUESTS_CA_BUNDLE", "/other.pem")
			t.Setenv("PIP_CLIENT_CERT", "/client.pem")
			c, err := index.FromPip(t.Context(), python)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%v %v %v %v %v %v %v", c.Indexes, c.Timeout, c.Retries, c.TrustedHosts, c.CABundles, c.ClientCert, c.Credentials)
			want := "[https://index.example/root/simple https://index.example/extra/simple/ https://other.example/simple] 8s 3 [a.example b.example:8080] [/ca.pem /other.pem] /client.pem 2 credentials (hidden)"
			if got != want {
				t.Fatalf("\n%s, want\n%s", got, want)
			}
			for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
				if s := fmt.Sprintf(form, c); strings.Contains(s, "secret") || strings.Contains(s, "token") || strings.Contains(s, "someone") {
					t.Fatalf("%s prints credentials: %s", form, s)
				}
			}
		})
	}
}

// serve starts an index with one project.
func serve(t *testing.T, project string, o pypitest.Options) *pypitest.Index {
	t.Helper()
	s := pypitest.NewIndex(t, o)
	w := pypitest.Wheel{Name: project, Version: "1.0"}
	s.AddFile(project, pypitest.Artifact{Name: w.Filename(), Data: w.Bytes()})
	return s
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) Truncate() error             { return nil }

// TestFromPipUse: what FromPip finds is enough to reach an index, as for pip.
func TestFromPipUse(t *testing.T) {
	for name, python := range askers {
		t.Run(name, func(t *testing.T) {
			cleanEnv(t)
			use := func(projects ...string) {
				t.Helper()
				config, err := index.FromPip(t.Context(), python)
				if err != nil {
					t.Fatal(err)
				}
				c, err := index.New(config, index.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for _, project := range projects {
					p, err := c.Project(t.Context(), project)
					if err != nil || len(p.Files) != 1 {
						t.Fatal(p, err)
					}
					if _, err := c.Fetch(t.Context(), p.Files[0], discard{}); err != nil {
						t.Fatal(err)
					}
				}
			}
			// The environment wins over the file; user and password in the URL.
			s := serve(t, "demo", pypitest.Options{User: "someone", Password: "p:@/ss"})
			t.Setenv("PIP_CONFIG_FILE", write(t, "pip.conf", "[global]\nindex-url = https://nowhere.invalid/simple\n"))
			t.Setenv("PIP_INDEX_URL", s.AuthURL())
			use("demo")
			// netrc, and an extra index with a client certificate.
			t.Setenv("PIP_INDEX_URL", s.URL())
			t.Setenv("NETRC", write(t, "netrc", "machine other.example login x password y\nmachine 127.0.0.1 login someone password p:@/ss\n"))
			more := serve(t, "more", pypitest.Options{TLS: true, ClientCert: true})
			t.Setenv("PIP_EXTRA_INDEX_URL", more.URL())
			t.Setenv("PIP_CERT", more.CA.File)
			t.Setenv("PIP_CLIENT_CERT", more.CA.ClientFile(t))
			// A proxy, by pip's option.
			proxy := pypitest.NewProxy(t, "via", "p@ss")
			t.Setenv("PIP_PROXY", proxy.URL())
			use("demo", "more")
			if n := len(proxy.Requests()); n == 0 {
				t.Fatal("the proxy saw nothing")
			}
		})
	}
}

// TestFromPipBundled: in an interpreter without pip the one that ensurepip
// carries answers; where a distribution has taken ensurepip out, nobody does.
func TestFromPipBundled(t *testing.T) {
	cleanEnv(t)
	c, err := index.FromPip(t.Context(), []string{"python3", "-S"})
	if exec.Command("python3", "-c", "import ensurepip").Run() != nil {
		check(t, err, index.ErrConfig, "has no pip to ask")
		return
	}
	if err != nil || len(c.Indexes) != 1 || !strings.HasPrefix(c.Indexes[0], "https://") || c.Retries == 0 || c.FallbackCA != "" {
		t.Fatalf("%+v %v", c, err)
	}
}

func TestFromPipErrors(t *testing.T) {
	script := func(text string) string {
		path := write(t, "python", "#!/bin/sh\n"+text+"\n")
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, c := range map[string]struct {
		python []string
		env    string
		words  string
		hint   string
	}{
		"no python":    {[]string{"/nonexistent/python"}, "", "start /nonexistent/python: ", "interpreter"},
		"not python":   {[]string{script("echo hello")}, "", "cannot be read", ""},
		"says nothing": {[]string{script("exit 3")}, "", "said nothing", "pip config list"},
		"no index":     {withoutPip, "", "has no pip to ask for the default index", "PIP_INDEX_URL"},
		"no-index":     {[]string{"python3"}, "PIP_NO_INDEX=1", "no-index is set", "PIP_NO_INDEX"},
		"no-index 2":   {withoutPip, "PIP_NO_INDEX=1", "no-index is set", "PIP_NO_INDEX"},
		"bad timeout":  {nil, "PIP_TIMEOUT=soon", "invalid", "pip config list"},
		"bad file":     {nil, "PIP_CONFIG_FILE=" + write(t, "pip.conf", "[global]\nindex-url https://someone:secret@index.example\n= x\n"), "pip of python3", "pip config list"},
		"bad file 2":   {withoutPip, "PIP_CONFIG_FILE=" + write(t, "pip.conf", "[global]\nindex-url https://someone:secret@index.example\n= x\n"), "pip of python3", "pip config list"},
		"bad url":      {withoutPip, "PIP_INDEX_URL=https://someone:secret@host:port/", "not of the form", "pip config list"},
		"file url":     {withoutPip, "PIP_INDEX_URL=file:///srv/index", "scheme file", "pip config list"},
		"local dir":    {withoutPip, "PIP_INDEX_URL=./wheels", "not of the form", "pip config list"},
	} {
		t.Run(name, func(t *testing.T) {
			cleanEnv(t)
			if key, v, ok := strings.Cut(c.env, "="); ok {
				t.Setenv(key, v)
			}
			_, err := index.FromPip(t.Context(), c.python)
			check(t, err, index.ErrConfig, c.words)
			if !strings.Contains(hint(err), c.hint) || strings.Contains(err.Error()+hint(err), "secret") {
				t.Fatalf("%v, hint %q", err, hint(err))
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := index.FromPip(ctx, []string{script("exec sleep 20")})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, index.ErrConfig) || time.Since(start) > 5*time.Second {
			t.Fatal(err, time.Since(start))
		}
	})
}

// TestNotFromHere: a pip.py in the working directory is not what is asked.
func TestNotFromHere(t *testing.T) {
	cleanEnv(t)
	dir := filepath.Dir(write(t, "pip.py", "raise SystemExit('a stranger ran')"))
	if err := os.WriteFile(filepath.Join(dir, "json.py"), []byte("raise SystemExit('a stranger ran')"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if _, err := index.FromPip(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}
