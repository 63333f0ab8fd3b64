package settings

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"larder/builder/fetch"
)

// maxFile bounds a file of configuration.
const maxFile = 1 << 20

// document is what counts of a settings.xml, or of several.
type document struct {
	Offline  bool      `xml:"offline"`
	Proxies  []proxy   `xml:"proxies>proxy"`
	Servers  []server  `xml:"servers>server"`
	Mirrors  []mirror  `xml:"mirrors>mirror"`
	Profiles []profile `xml:"profiles>profile"`
	Active   []string  `xml:"activeProfiles>activeProfile"`
}

type proxy struct {
	ID       string `xml:"id"`
	Active   *bool  `xml:"active"` // nil: it is
	Protocol string `xml:"protocol"`
	Host     string `xml:"host"`
	Port     int    `xml:"port"`
	Username string `xml:"username"`
	Password string `xml:"password"`
	Except   string `xml:"nonProxyHosts"`
}

type server struct {
	ID       string `xml:"id"`
	Username string `xml:"username"`
	Password string `xml:"password"`
	Headers  []struct {
		Name  string `xml:"name"`
		Value string `xml:"value"`
	} `xml:"configuration>httpHeaders>property"`
}

type mirror struct {
	ID      string `xml:"id"`
	Of      string `xml:"mirrorOf"`
	URL     string `xml:"url"`
	Blocked bool   `xml:"blocked"`
}

type profile struct {
	ID           string       `xml:"id"`
	ByDefault    bool         `xml:"activation>activeByDefault"`
	Repositories []repository `xml:"repositories>repository"`
}

type repository struct {
	ID  string `xml:"id"`
	URL string `xml:"url"`
}

// read reads a settings.xml, with variables in place; none is an empty one.
func read(path string, getenv func(string) (string, bool)) (d document, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return d, fetch.Hinted(fmt.Errorf("%w: %w", ErrConfig, err), "make it readable for the user that builds")
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() > maxFile {
		return d, fetch.Hinted(fmt.Errorf("%w: %s is no file of at most %d bytes", ErrConfig, path, maxFile), "put a settings.xml there, or nothing")
	}
	if err := xml.NewDecoder(f).Decode(&d); err != nil {
		return d, fetch.Hinted(fmt.Errorf("%w: read %s: %w", ErrConfig, path, err), "correct it: mvn help:effective-settings says what Maven makes of it")
	}
	for _, text := range d.texts() {
		*text = expand(strings.TrimSpace(*text), getenv)
	}
	return d, nil
}

// texts are all of a document's.
func (d *document) texts() (all []*string) {
	for i := range d.Proxies {
		p := &d.Proxies[i]
		all = append(all, &p.ID, &p.Protocol, &p.Host, &p.Username, &p.Password, &p.Except)
	}
	for i := range d.Servers {
		s := &d.Servers[i]
		all = append(all, &s.ID, &s.Username, &s.Password)
		for j := range s.Headers {
			all = append(all, &s.Headers[j].Name, &s.Headers[j].Value)
		}
	}
	for i := range d.Mirrors {
		all = append(all, &d.Mirrors[i].ID, &d.Mirrors[i].Of, &d.Mirrors[i].URL)
	}
	for i := range d.Profiles {
		all = append(all, &d.Profiles[i].ID)
		for j := range d.Profiles[i].Repositories {
			all = append(all, &d.Profiles[i].Repositories[j].ID, &d.Profiles[i].Repositories[j].URL)
		}
	}
	for i := range d.Active {
		all = append(all, &d.Active[i])
	}
	return all
}

// add adds what another document says of what this one does not.
func (d *document) add(o document) {
	d.Offline = d.Offline || o.Offline
	d.Proxies = merge(d.Proxies, o.Proxies, func(p proxy) string { return p.ID })
	d.Servers = merge(d.Servers, o.Servers, func(s server) string { return s.ID })
	d.Mirrors = merge(d.Mirrors, o.Mirrors, func(m mirror) string { return m.ID })
	d.Profiles = merge(d.Profiles, o.Profiles, func(p profile) string { return p.ID })
	d.Active = append(d.Active, o.Active...)
}

// merge appends those whose id is not there.
func merge[T any](all, more []T, id func(T) string) []T {
	for _, m := range more {
		if !slices.ContainsFunc(all, func(a T) bool { return id(a) == id(m) }) {
			all = append(all, m)
		}
	}
	return all
}

var variable = regexp.MustCompile(`\$\{([^{}]+)\}`)

// expand puts variables in place: those of the environment, and the home directory. Others stay as they are.
func expand(text string, getenv func(string) (string, bool)) string {
	return variable.ReplaceAllStringFunc(text, func(word string) string {
		name := word[2 : len(word)-1]
		if name == "user.home" {
			name = "env.HOME"
		}
		if name, is := strings.CutPrefix(name, "env."); is {
			if value, is := getenv(name); is {
				return value
			}
		}
		return word
	})
}
