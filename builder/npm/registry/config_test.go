package registry

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/fetch"
)

// host is a home directory with npm's files, and perhaps a program that says what npm would.
type host struct {
	*testing.T
	home string
}

func newHost(t *testing.T, npmrc string) *host {
	h := &host{t, t.TempDir()}
	h.write(".npmrc", npmrc, 0o600)
	h.write("global", "", 0o644)
	return h
}

func (h *host) write(name, text string, mode os.FileMode) string {
	h.Helper()
	path := filepath.Join(h.home, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		h.Fatal(err)
	}
	return path
}

func (h *host) config(npm string, environ ...string) (Config, error) {
	return fromNPM(h.Context(), npm, append(environ, "HOME="+h.home, "NPM_CONFIG_GLOBALCONFIG="+filepath.Join(h.home, "global"), "PATH="+os.Getenv("PATH")))
}

func header(t *testing.T, c Config, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c.Credentials.Header(u)
}

// Without npm, its variables go before the user's file, that before the machine's, and none is refused with
// what to do.
func TestWithoutNPM(t *testing.T) {
	h := newHost(t, "; a comment\n[section]\nregistry=https://user.example/first\nregistry = https://user.example/npm;and more\n@corp:registry=\"https://corp.example/\"\n"+
		"//user.example/npm/:_authToken=${TOKEN}${NONE?}\\#\n//corp.example/:_auth='Y29ycDpwdw=='\n//basic.example/:username=bob\n//basic.example/:_password=cHc=\nstrict-ssl=false\nfetch-retries=5\nfetch-timeout=9000\n")
	h.write("global", "registry=https://machine.example/\n@all:registry=http://all.example/\n//all.example/:_authToken=plain\n", 0o644)
	c, err := h.config("", "TOKEN=t0ken")
	if err != nil {
		t.Fatal(err)
	}
	if c.Registry != "https://user.example/npm" || fmt.Sprint(c.Scopes) != "map[@all:http://all.example/ @corp:https://corp.example/]" || c.Retries != 5 || c.Timeout.Seconds() != 9 || len(c.TrustedHosts) != 3 {
		t.Errorf("%+v", c)
	}
	for raw, want := range map[string]string{
		"https://user.example/npm/x": "Bearer t0ken#", "https://user.example/": "", "http://user.example/npm/x": "", "https://corp.example/x": "Basic Y29ycDpwdw==",
		"https://basic.example/": "Basic Ym9iOnB3", "http://all.example/x": "Bearer plain", "https://all.example/x": "Bearer plain", "https://other.example/": "",
	} {
		if got := header(t, c, raw); got != want {
			t.Errorf("%s: %q, want %q", raw, got, want)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, "t0ken") || strings.Contains(text, "Ym9i") {
		t.Errorf("it prints what is secret: %s", text)
	}
	for variable, want := range map[string]string{"npm_config_registry": "https://env.example/", "NPM_CONFIG_REGISTRY": "https://env.example/"} {
		if c, err := h.config("", variable+"="+want, "npm_config_//env.example/:_authToken=e"); err != nil || c.Registry != want || header(t, c, want+"x") != "Bearer e" {
			t.Errorf("%s: %+v, %v", variable, c, err)
		}
	}
	other := h.write("other", "registry=https://other.example/", 0o600)
	if c, err := h.config("", "npm_config_userconfig="+other); err != nil || c.Registry != "https://other.example/" {
		t.Errorf("%+v, %v", c, err)
	}
	// A token goes before a user, and a user in an address counts for nothing and is not shown.
	both := newHost(t, "registry=https://u:s3cret@b.example/\nproxy=false\n//b.example/:username=bob\n//b.example/:_password=cHc=\n//b.example/:_authToken=first\n//c.example/:username=alone\n")
	if c, err := both.config("", "HTTP_PROXY=http://p.example/"); err != nil || header(t, c, "https://b.example/") != "Bearer first" || header(t, c, "https://c.example/") != "" || strings.Contains(fmt.Sprint(c), "s3cret") {
		t.Errorf("%+v, %v", c, err)
	}
	var hint interface{ Hint() string }
	if _, err := newHost(t, "").config(""); !errors.Is(err, ErrConfig) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "npm_config_registry") {
		t.Errorf("%v", err)
	}
}

// What npm says goes before what is read in its place; it tells no login, which is read where it says.
func TestAsksNPM(t *testing.T) {
	h := newHost(t, "registry=https://user.example/\n//npm.example/:_authToken=wrong\n")
	h.write("own", "//npm.example/:_authToken=right\n", 0o600)
	npm := h.write("npm", "#!/bin/sh\n[ \"$PWD\" = / ] && [ \"$*\" = 'config list --json' ] || exit 3\ncat <<END\n"+
		`{"registry":"https://npm.example/","@s:registry":"https://s.example/","userconfig":"`+h.home+`/own","noproxy":[""],"proxy":null,"strict-ssl":true,"fetch-retries":1,"fetch-timeout":300000,"cafile":"/ca.pem"}`+"\nEND\n", 0o755)
	c, err := h.config(npm)
	if err != nil || c.Registry != "https://npm.example/" || c.Scopes["@s"] != "https://s.example/" || c.Retries != 1 || c.Timeout.Minutes() != 5 ||
		len(c.CABundles) != 1 || len(c.TrustedHosts) != 0 || header(t, c, "https://npm.example/x") != "Bearer right" || c.Proxy.String() != "no proxy" {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := h.config(npm, "NODE_EXTRA_CA_CERTS=/extra.pem"); err != nil || c.ExtraCA != "/extra.pem" {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := h.config(npm, "HTTPS_PROXY=http://p.example/"); err != nil || c.Proxy.String() != "proxy (hidden)" {
		t.Errorf("%+v, %v", c, err)
	}
	for text, want := range map[string]string{
		"#!/bin/sh\necho npm is broken >&2\necho more >&2\nexit 1\n": "npm is broken", "#!/bin/sh\necho no json\n": "cannot be read",
	} {
		npm := h.write("npm", text, 0o755)
		if _, err := h.config(npm); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// Certificates in the option itself count, one or a list of npm's.
func TestInlineAuthorities(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	text := strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})))
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	h := newHost(t, "registry=https://a.example/\nca="+string(quoted)+"\n")
	if c, err := h.config(""); err != nil || c.CAText != text {
		t.Errorf("%+v, %v", c, err)
	}
	npm := h.write("npm", "#!/bin/sh\ncat <<'END'\n"+fmt.Sprintf(`{"registry":"https://a.example/","ca":[%s,%[1]s]}`, quoted)+"\nEND\n", 0o755)
	if c, err := h.config(npm); err != nil || c.CAText != text+"\n"+text {
		t.Errorf("%+v, %v", c, err)
	}
}

// What cannot be done is said, and shows nothing secret.
func TestBadConfig(t *testing.T) {
	for npmrc, want := range map[string]string{
		"registry=ftp://host.example/":                                                         "not of the form https://host/path",
		"registry=https://u:s3cret@:x/":                                                        "not of the form https://host/path",
		"registry=https://a.example/\n@s:registry=file:///x":                                   "not of the form https://host/path",
		"registry=https://a.example/\nca=-----BEGIN":                                           "its option ca holds no certificate",
		"registry=https://a.example/\nca[]=\"-----BEGIN CERTIFICATE-----\"":                    "its option ca holds no certificate",
		"registry=https://a.example/\n//a.example/:username=u\n//a.example/:_password=s3cret!": "is not base64",
		"registry=https://a.example/\n//a.example/:certfile=/a":                                "certfile of //a.example/ has no keyfile",
		"registry=https://a.example/\n//a.example/:certfile=/a\n//a.example/:keyfile=/b\n//b.example/:certfile=/a\n//b.example/:keyfile=/c": "certificates of their own",
		"registry=https://a.example/\ncert=s3cret":                      "its option cert holds",
		"registry=https://a.example/\nkey=s3cret":                       "its option key holds",
		"registry=https://a.example/\n" + strings.Repeat("#", maxNPMRC): "is no file of at most",
	} {
		if _, err := newHost(t, npmrc).config(""); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%.60q: %v, want %s", npmrc, err, want)
		}
	}
	c, err := newHost(t, "registry=https://a.example/\n//a.example/:certfile=/a\n//a.example/:keyfile=/b\n").config("")
	if err != nil || c.ClientCert != "/a" || c.ClientKey != "/b" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := New(c, Options{}); !errors.Is(err, ErrConfig) {
		t.Errorf("a client's certificate that is not there: %v", err)
	}
	if _, err := New(Config{Registry: "x", Access: fetch.Access{}}, Options{}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}
