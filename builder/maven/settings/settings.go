package settings

import (
	"archive/zip"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"larder/builder/fetch"
)

// ErrConfig: Maven's configuration cannot be read, or asks for something that cannot be done.
var ErrConfig = errors.New("maven configuration not usable")

// Config is where releases are and how they are reached: what Maven would use. It may be printed:
// credentials stay hidden.
type Config struct {
	Repository string // http or https, without a user and without a slash at its end
	ID         string // of the mirror or repository, by which a server's login is found
	fetch.Access
}

// Names are what Maven's users call what a client is configured by.
var Names = fetch.Names{
	Address: "the mirror of ~/.m2/settings.xml", Login: "a server of ~/.m2/settings.xml", CABundle: "the system's certificates",
	ClientCert: "the mirror of ~/.m2/settings.xml", Proxy: "a proxy of ~/.m2/settings.xml", Show: "~/.m2/settings.xml",
}

// central is the id of the repository that every project has.
const central = "central"

// FromMaven is what Maven would use in this process's environment, in no project.
func FromMaven(ctx context.Context) (Config, error) {
	i, err := FindMaven(ctx, "")
	if err != nil && !errors.Is(err, ErrNoMaven) {
		return Config{}, err
	}
	return from(i, err, os.LookupEnv)
}

// from reads the settings of the user and of an installation; missing is why there is none.
func from(i Installation, missing error, getenv func(string) (string, bool)) (Config, error) {
	home, _ := getenv("HOME")
	d, err := read(filepath.Join(home, ".m2/settings.xml"), getenv)
	if err != nil {
		return Config{}, err
	}
	if i.Home != "" {
		more, err := read(filepath.Join(i.Home, "conf/settings.xml"), getenv)
		if err != nil {
			return Config{}, err
		}
		d.add(more)
	}
	if d.Offline {
		return Config{}, fetch.Hinted(fmt.Errorf("%w: its settings say offline", ErrConfig), "take <offline> out of settings.xml")
	}
	r := repository{ID: central, URL: d.repository(central)}
	if r.URL == "" && i.Home != "" {
		if r.URL, err = builtIn(i.Home); err != nil {
			return Config{}, err
		}
	}
	m, is := d.mirrorOf(r)
	switch {
	case is && m.Blocked:
		return Config{}, fetch.Hinted(fmt.Errorf("%w: its mirror %.100q blocks the repository %s", ErrConfig, m.ID, r.ID), "name a mirror by https in ~/.m2/settings.xml")
	case is:
		r = repository{m.ID, m.URL}
	case r.URL == "" && missing != nil:
		return Config{}, fetch.Hinted(fmt.Errorf("%w: no mirror is configured, and %w", ErrConfig, missing), "install Maven, or name a mirror in ~/.m2/settings.xml")
	}
	return d.config(r, getenv)
}

// repository is the address that an active profile gives to a repository, or "". What a profile says by
// default counts where none is made active.
func (d *document) repository(id string) string {
	anyActive := slices.ContainsFunc(d.Profiles, func(p profile) bool { return slices.Contains(d.Active, p.ID) })
	for _, p := range d.Profiles {
		if !slices.Contains(d.Active, p.ID) && (anyActive || !p.ByDefault) {
			continue
		}
		for _, r := range p.Repositories {
			if r.ID == id {
				return r.URL
			}
		}
	}
	return ""
}

// mirrorOf is Maven's choice: a mirror of exactly this repository, else the first whose pattern fits.
func (d *document) mirrorOf(r repository) (mirror, bool) {
	for _, fits := range []func(m mirror) bool{func(m mirror) bool { return m.Of == r.ID }, func(m mirror) bool { return matches(r, m.Of) }} {
		if at := slices.IndexFunc(d.Mirrors, fits); at >= 0 {
			return d.Mirrors[at], true
		}
	}
	return mirror{}, false
}

// matches reads a list such as "external:*,!corp", in which an exact name ends the search.
func matches(r repository, patterns string) (is bool) {
	u, err := url.Parse(r.URL)
	external := err == nil && u.Scheme != "file" && u.Hostname() != "localhost" && u.Hostname() != "127.0.0.1"
	for p := range strings.SplitSeq(patterns, ",") {
		switch p = strings.TrimSpace(p); {
		case p == "!"+r.ID:
			return false
		case p == r.ID:
			return true
		case p == "*", p == "external:*" && external, p == "external:http:*" && external && u.Scheme == "http":
			is = true
		}
	}
	return is
}

// superPOM is what every project inherits from; it is in one of Maven's own archives.
const superPOM = "org/apache/maven/model/pom-4.0.0.xml"

// builtIn is the address of the repository that Maven has built in, or "".
func builtIn(home string) (string, error) {
	jars, err := filepath.Glob(filepath.Join(home, "lib/maven*.jar"))
	if err != nil {
		return "", err
	}
	for _, jar := range jars {
		text, err := member(jar, superPOM)
		if err != nil {
			return "", fetch.Hinted(fmt.Errorf("%w: read %s: %w", ErrConfig, jar, err), "install Maven again, or name a mirror in ~/.m2/settings.xml")
		}
		var pom struct {
			Repositories []repository `xml:"repositories>repository"`
		}
		if text == nil || xml.Unmarshal(text, &pom) != nil {
			continue
		}
		for _, r := range pom.Repositories {
			if r.ID == central {
				return strings.TrimSpace(r.URL), nil
			}
		}
	}
	return "", fetch.Hinted(fmt.Errorf("%w: no repository is built into the Maven in %s", ErrConfig, home), "name a mirror in ~/.m2/settings.xml")
}

// member reads a file of an archive; nil where it has none.
func member(jar, name string) ([]byte, error) {
	z, err := zip.OpenReader(jar)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	f, err := z.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func (d *document) config(r repository, getenv func(string) (string, bool)) (Config, error) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https" {
		// Not wrapped: the parser's error quotes the URL, password and all.
		return Config{}, fetch.Hinted(fmt.Errorf("%w: the address of %.100q is not of the form https://host/path", ErrConfig, r.ID), "correct it in ~/.m2/settings.xml")
	}
	header, err := d.header(r.ID, u.User)
	if err != nil {
		return Config{}, fetch.Hinted(fmt.Errorf("%w: the login of server %.100q %w", ErrConfig, r.ID, err), "name it in ~/.m2/settings.xml, as ${env.NAME} say")
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	c := Config{Repository: strings.TrimRight(u.String(), "/"), ID: r.ID, Access: fetch.Access{Retries: 2}}
	if header != "" {
		c.Credentials.AddBelow(u, header)
	}
	c.Proxy, err = d.proxy(u, getenv)
	return c, err
}

// sealed is how Maven keeps passwords that only it can read, and variables that have no value.
var sealed = regexp.MustCompile(`\{.*[^\\]\}`)

// header is what a server's login is sent as, before that in an address; "" is none.
func (d *document) header(id string, user *url.Userinfo) (string, error) {
	at := slices.IndexFunc(d.Servers, func(s server) bool { return s.ID == id })
	if at < 0 {
		if user == nil {
			return "", nil
		}
		password, _ := user.Password()
		return basic(user.Username(), password), nil
	}
	s := d.Servers[at]
	header := ""
	for _, h := range s.Headers {
		if !strings.EqualFold(h.Name, "Authorization") {
			return "", fmt.Errorf("has the header %.100q, and only Authorization is sent", h.Name)
		}
		if sealed.MatchString(h.Value) || strings.ContainsAny(h.Value, "\r\n") {
			return "", errors.New("is encrypted, holds a variable that is not set, or is of more than one line")
		}
		header = h.Value
	}
	switch {
	case header != "" || s.Username == "":
		return header, nil
	case sealed.MatchString(s.Username) || sealed.MatchString(s.Password):
		return "", errors.New("is encrypted, or holds a variable that is not set")
	}
	return basic(s.Username, s.Password), nil
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// proxy is the first active one of the repository's scheme, else of http, else the environment's: those who
// run Maven behind one often tell only its JVM.
func (d *document) proxy(u *url.URL, getenv func(string) (string, bool)) (fetch.Proxy, error) {
	for _, scheme := range []string{u.Scheme, "http"} {
		for _, p := range d.Proxies {
			if p.Active != nil && !*p.Active || !strings.EqualFold(cmp.Or(p.Protocol, "http"), scheme) {
				continue
			}
			if p.excepts(u.Hostname()) {
				return fetch.Proxy{}, nil
			}
			if sealed.MatchString(p.Password) || p.Host == "" {
				return fetch.Proxy{}, fetch.Hinted(fmt.Errorf("%w: its proxy %.100q has no host, or a password that is encrypted or a variable that is not set", ErrConfig, p.ID), "correct it in ~/.m2/settings.xml")
			}
			to := url.URL{Scheme: "http", Host: fmt.Sprintf("%s:%d", p.Host, cmp.Or(p.Port, 8080))}
			if p.Username != "" {
				to.User = url.UserPassword(p.Username, p.Password)
			}
			return fetch.ProxyFor(to.String()), nil
		}
	}
	return fetch.ProxyFromEnvironment(func(name string) string { v, _ := getenv(name); return v }), nil
}

// excepts reads a list of hosts such as "localhost|*.corp.example".
func (p proxy) excepts(host string) bool {
	for pattern := range strings.FieldsFuncSeq(p.Except, func(r rune) bool { return r == '|' || r == ',' }) {
		expr := strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(pattern)), `\*`, ".*")
		if is, err := regexp.MatchString("(?i)^"+expr+"$", host); err == nil && is {
			return true
		}
	}
	return false
}
