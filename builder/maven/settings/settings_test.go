package settings

import (
	"archive/zip"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// host is a home directory, and an installation with its settings and what it has built in.
type host struct {
	*testing.T
	home string
	Installation
}

func newHost(t *testing.T, user, machine string) *host {
	h := &host{t, t.TempDir(), Installation{Version: "3.8.7", Home: t.TempDir()}}
	h.write(filepath.Join(h.home, ".m2/settings.xml"), user)
	h.write(filepath.Join(h.Home, "conf/settings.xml"), machine)
	h.jar("maven-core-3.x.jar", "other", "")
	h.jar("maven3-model-builder.jar", superPOM, "<project><repositories><repository><id>central</id><url>\n https://built.example/in/ </url></repository></repositories></project>")
	return h
}

func (h *host) write(path, text string) {
	h.Helper()
	if text == "" {
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
}

func (h *host) jar(name, member, text string) {
	h.Helper()
	var b strings.Builder
	z := zip.NewWriter(&b)
	w, err := z.Create(member)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		h.Fatal(err)
	}
	h.write(filepath.Join(h.Home, "lib", name), b.String())
}

func (h *host) config(environ ...string) (Config, error) {
	return from(h.Installation, nil, func(name string) (string, bool) {
		for _, line := range append(environ, "HOME="+h.home) {
			if value, is := strings.CutPrefix(line, name+"="); is {
				return value, true
			}
		}
		return "", false
	})
}

func header(t *testing.T, c Config, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return c.Credentials.Header(u)
}

func settings(text string) string {
	return `<?xml version="1.0"?><settings xmlns="http://maven.example/SETTINGS/1.0.0">` + text + `</settings>`
}

func mirrorXML(id, of, url string) string {
	return "<mirrors><mirror><id>" + id + "</id><mirrorOf>" + of + "</mirrorOf><url>" + url + "</url></mirror></mirrors>"
}

// blocker is in the settings that Maven comes with.
const blocker = "<mirrors><mirror><id>blocker</id><mirrorOf>external:http:*</mirrorOf><url>http://0.0.0.0/</url><blocked>true</blocked></mirror></mirrors>"

// The user's mirror goes before the machine's, an exact name before a pattern, a profile's address before what
// is built in.
func TestRepository(t *testing.T) {
	profile := func(id, activation, url string) string {
		return "<profiles><profile><id>" + id + "</id>" + activation + "<repositories><repository><id>central</id><url>" + url + "</url></repository></repositories></profile></profiles>"
	}
	const byDefault = "<activation><activeByDefault>true</activeByDefault></activation>"
	for _, x := range []struct{ name, user, machine, want string }{
		{"nothing", "", "", "https://built.example/in"},
		{"what it comes with", "", settings(blocker), "https://built.example/in"},
		{"a mirror of all", settings(mirrorXML("m", "*", "https://m.example/all/")), settings(blocker), "https://m.example/all"},
		{"the machine's", "", settings(mirrorXML("m", "*", "https://m.example")), "https://m.example"},
		{"the user's first", settings(mirrorXML("u", "external:*", "https://u.example")), settings(mirrorXML("m", "*", "https://m.example")), "https://u.example"},
		{"an exact name", settings(mirrorXML("u", "*", "https://u.example")), settings(mirrorXML("m", "central", "https://m.example")), "https://m.example"},
		{"one that is hidden", settings(mirrorXML("m", "other", "https://u.example")), settings(mirrorXML("m", "*", "https://m.example")), "https://built.example/in"},
		{"but this", settings(mirrorXML("m", "*,!central", "https://u.example")), "", "https://built.example/in"},
		{"in a list", settings(mirrorXML("m", "one, central ,!x", "https://u.example")), "", "https://u.example"},
		{"variables", settings(mirrorXML("m", "*", "https://${env.NAME}.example/${env.NONE}x")), "", "https://named.example/$%7Benv.NONE%7Dx"},
		{"a comment", settings("<!-- <offline>true</offline> -->" + mirrorXML("m", "<!-- a -->*", " https://m.example ")), "", "https://m.example"},
		{"a profile", settings(profile("p", "", "https://p.example/") + "<activeProfiles><activeProfile> p </activeProfile></activeProfiles>"), "", "https://p.example"},
		{"one not active", settings(profile("p", "", "https://p.example/")), "", "https://built.example/in"},
		{"by default", settings(profile("p", byDefault, "https://p.example/")), "", "https://p.example"},
		{"by default, but another is", settings(profile("p", byDefault, "https://p.example/") + "<profiles><profile><id>q</id></profile></profiles><activeProfiles><activeProfile>q</activeProfile></activeProfiles>"), "", "https://built.example/in"},
		{"a profile and its mirror", settings(profile("p", byDefault, "http://p.example/") + mirrorXML("m", "external:http:*", "https://m.example")), settings(blocker), "https://m.example"},
	} {
		if c, err := newHost(t, x.user, x.machine).config("NAME=named"); err != nil || c.Repository != x.want {
			t.Errorf("%s: %+v, %v", x.name, c, err)
		}
	}
}

// Logins go to the address of their server, and are not printed. A proxy is Maven's, or the environment's.
func TestAccess(t *testing.T) {
	server := func(text string) string { return "<servers><server><id>m</id>" + text + "</server></servers>" }
	for _, x := range []struct{ server, url, want string }{
		{server("<username>u</username><password>${env.SECRET}</password>"), "https://m.example/r", "Basic dTpzM2NyZXQ="},
		{server("<configuration><httpHeaders><property><name>authorization</name><value>Bearer s3cret</value></property></httpHeaders></configuration>"), "https://m.example/r", "Bearer s3cret"},
		{"", "https://u:s3cret@m.example/r", "Basic dTpzM2NyZXQ="},
		{server(""), "https://m.example/r", ""},
		{"", "http://m.example/r?s3cret#s3cret", ""},
	} {
		c, err := newHost(t, settings(mirrorXML("m", "*", x.url)+x.server), "").config("SECRET=s3cret")
		if err != nil || header(t, c, c.Repository+"/a/b.jar") != x.want || header(t, c, "https://m.example/other") != "" || header(t, c, "https://other.example/r") != "" {
			t.Errorf("%s %s: %+v, %v", x.server, x.url, c, err)
		}
		if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, "s3cret") || strings.Contains(text, "dTpz") {
			t.Errorf("it prints what is secret: %s", text)
		}
	}
	proxy := func(text string) string {
		return settings("<proxies><proxy><host>p.example</host>" + text + "</proxy></proxies>")
	}
	for _, x := range []struct{ text, want string }{
		{proxy(""), "proxy (hidden)"}, {proxy("<protocol>https</protocol><port>1</port><username>u</username><password>p</password>"), "proxy (hidden)"},
		{proxy("<active>false</active>"), "no proxy"}, {proxy("<protocol>socks5</protocol>"), "no proxy"},
		{proxy("<nonProxyHosts>localhost|*.EXAMPLE</nonProxyHosts>"), "no proxy"}, {proxy("<nonProxyHosts>*xample.org,.example</nonProxyHosts>"), "proxy (hidden)"},
	} {
		if c, err := newHost(t, x.text, "").config(); err != nil || c.Proxy.String() != x.want {
			t.Errorf("%s: %+v, %v", x.text, c, err)
		}
	}
	if c, err := newHost(t, "", "").config("https_proxy=http://p.example"); err != nil || c.Proxy.String() != "proxy (hidden)" {
		t.Errorf("%+v, %v", c, err)
	}
}

// What cannot be done is one line that says what, where and what next, and shows nothing secret.
func TestBadSettings(t *testing.T) {
	login := func(text string) string {
		return settings(mirrorXML("m", "*", "https://m.example") + "<servers><server><id>m</id><username>u</username>" + text + "</server></servers>")
	}
	for text, want := range map[string]string{
		"<settings>":                           "unexpected EOF",
		settings("<offline>true</offline>"):    "offline",
		settings(mirrorXML("m", "*", "&lol;")): "settings.xml: XML syntax error on line 1: invalid character entity",
		`<!DOCTYPE s [<!ENTITY lol SYSTEM "/etc/passwd">]>` + settings(mirrorXML("m", "*", "&lol;")): "invalid character entity",
		settings(strings.Repeat("#", maxFile)):                                                       "is no file of at most",
		settings(mirrorXML("m", "*", "file:///srv")):                                                 `the address of "m" is not of the form https://host/path`,
		settings(mirrorXML("m", "*", "https://u:s3cret@:x")):                                         "is not of the form https://host/path",
		settings(mirrorXML("m", "*", "")):                                                            "is not of the form https://host/path",
		settings(blocker + "<profiles><profile><id>p</id><activation><activeByDefault>true</activeByDefault></activation><repositories><repository><id>central</id><url>http://a.example</url></repository></repositories></profile></profiles>"): `its mirror "blocker" blocks the repository central`,
		login("<password>{s3cretAAAA=}</password>"): `the login of server "m" is encrypted`,
		login("<password>${env.NONE}</password>"):   "holds a variable that is not set",
		login("<configuration><httpHeaders><property><name>Job-Token</name><value>s3cret</value></property></httpHeaders></configuration>"): `the header "Job-Token", and only Authorization is sent`,
		settings("<proxies><proxy><id>p</id><host>h</host><password>{s3cret}</password></proxy></proxies>"):                                 `its proxy "p" has no host`,
	} {
		_, err := newHost(t, text, "").config()
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.80q: %v, want %s", text, err, want)
		}
	}
	h := newHost(t, "", "")
	h.write(filepath.Join(h.Home, "lib/maven3-model-builder.jar"), "no archive")
	if _, err := h.config(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "maven3-model-builder.jar: zip") {
		t.Error(err)
	}
	h.jar("maven3-model-builder.jar", "other", "")
	if _, err := h.config(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "no repository is built into") {
		t.Error(err)
	}
	none := func(string) (string, bool) { return "", false }
	if _, err := from(Installation{}, ErrNoMaven, none); !errors.Is(err, ErrConfig) || !errors.Is(err, ErrNoMaven) {
		t.Error(err)
	}
}

// An mvn is asked where it is; what is none says so.
func TestFindMaven(t *testing.T) {
	dir := t.TempDir()
	program := func(text string) string {
		path := filepath.Join(dir, "mvn")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	answer := "printf '\\033[1mApache Maven 4.0.0-rc-4 (abc)\\033[m\\nMaven home: " + dir + "/home\\nJava version: 17, vendor: V, runtime: " + dir + "/jvm\\nmore\\n'\n"
	if _, err := FindMaven(t.Context(), program(answer)); !errors.Is(err, ErrNoMaven) || !strings.Contains(err.Error(), "has no bin/java") {
		t.Error(err)
	}
	if err := os.MkdirAll(dir+"/jvm/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/jvm/bin/java", nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if i, err := FindMaven(t.Context(), program(`[ "$PWD $*" = "/ --batch-mode --version" ] || exit 1`+"\n"+answer)); err != nil || i != (Installation{"4.0.0-rc-4", dir + "/home", dir + "/jvm"}) {
		t.Errorf("%+v, %v", i, err)
	}
	for text, want := range map[string]string{
		"echo The JAVA_HOME environment variable is not defined correctly, >&2\necho more >&2\nexit 1\n": "JAVA_HOME",
		"echo something\n": `does not say where it is: "something"`,
	} {
		if _, err := FindMaven(t.Context(), program(text)); !errors.Is(err, ErrNoMaven) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	var hint interface{ Hint() string }
	if _, err := FindMaven(t.Context(), filepath.Join(dir, "none")); !errors.Is(err, ErrNoMaven) || !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "install Maven") {
		t.Error(err)
	}
}
