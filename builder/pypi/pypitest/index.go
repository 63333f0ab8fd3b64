package pypitest

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/snapshot/pypi/pep508"
)

// Options say what the index leaves out or asks for.
type Options struct {
	HTMLOnly         bool // never JSON
	JSONOnly         bool // never HTML
	NoSize           bool // no "size" in JSON (HTML never has one)
	NoMetadata       bool // no .metadata files
	UnhashedMetadata bool // .metadata files that pages mention without a hash
	NoRange          bool // Range is ignored
	NoHash           bool // links without a hash
	Gzip             bool // pages packed when the client takes it
	Mirror           bool // HTMLOnly, NoSize, no Cache-Control, no ETag, .metadata files that no page mentions

	TLS        bool   // serve https, with a certificate of CA
	ClientCert bool   // with TLS: ask for a client certificate of CA
	User       string // with Password: basic authentication for everything
	Password   string
	Listen     string // address; default 127.0.0.1 and a free port
}

// Artifact is one file of a project. Only Name and Data are needed.
type Artifact struct {
	Name           string
	Data           []byte
	RequiresPython string
	Yanked         string // a reason; yanked without one is " "
	UploadTime     time.Time
	Metadata       []byte // default: METADATA from the wheel, if Data is one
	SHA256         string // what the page claims; default the truth
	Size           int64  // what the page claims; default the truth
	Href           string // what the page links to; default the file's own URL
}

// Request is one request and what was sent for it.
type Request struct {
	Method string
	Path   string
	Query  string
	Header http.Header
	Status int
	Bytes  int64 // of the body
}

// Index is a package index on loopback. It stops when the test ends.
type Index struct {
	CA *Authority // with Options.TLS

	options Options
	server  *httptest.Server
	name    string

	mu       sync.Mutex
	idle     *sync.Cond
	active   int
	projects map[string][]*Artifact
	files    map[string]*Artifact // by path
	faults   map[string]*Fault
	log      []*Request
	opened   int
}

// NewIndex starts an index. It has no projects yet.
func NewIndex(t testing.TB, options Options) *Index {
	t.Helper()
	if options.Mirror {
		options.HTMLOnly, options.NoSize = true, true
	}
	s := &Index{
		options: options, name: t.Name(),
		projects: map[string][]*Artifact{}, files: map[string]*Artifact{}, faults: map[string]*Fault{},
	}
	s.idle = sync.NewCond(&s.mu)
	s.server = httptest.NewUnstartedServer(http.HandlerFunc(s.handle))
	s.server.Config.ErrorLog = quiet(t)
	s.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.opened++
		}
	}
	if options.Listen != "" {
		l, err := net.Listen("tcp", options.Listen)
		if err != nil {
			t.Fatalf("listen: %v", err)
		}
		s.server.Listener.Close()
		s.server.Listener = l
	}
	if options.TLS {
		s.CA = NewAuthority(t)
		config := &tls.Config{Certificates: []tls.Certificate{s.CA.Server(t)}}
		if options.ClientCert {
			config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, s.CA.Pool
		}
		s.server.TLS = config
		s.server.StartTLS()
	} else {
		s.server.Start()
	}
	t.Cleanup(func() {
		s.server.CloseClientConnections() // a hanging fault must not hold up the test
		s.server.Close()
	})
	return s
}

// URL is the page root, ending in "/simple/", without user and password. With
// TLS the host is localhost: pip 24.2 cannot check a certificate for an
// address.
func (s *Index) URL() string { return s.base() + "/simple/" }

func (s *Index) base() string {
	if s.options.TLS {
		_, port, _ := net.SplitHostPort(s.server.Listener.Addr().String())
		return "https://localhost:" + port
	}
	return s.server.URL
}

// AuthURL is URL with the user and password that Options ask for.
func (s *Index) AuthURL() string {
	u, _ := url.Parse(s.URL())
	if s.options.User != "" {
		u.User = url.UserPassword(s.options.User, s.options.Password)
	}
	return u.String()
}

// Host is host:port.
func (s *Index) Host() string {
	u, _ := url.Parse(s.base())
	return u.Host
}

// Env is the environment that makes pip use this index and nothing else: the
// process's own without PIP_* and proxies, and what is needed. pip keeps
// answers in its cache only from https, or (since 20.0) from hosts that are
// trusted; with http this host is.
func (s *Index) Env() []string {
	env := slices.DeleteFunc(os.Environ(), func(e string) bool {
		key, _, _ := strings.Cut(e, "=")
		// The two bundles outrank PIP_CERT inside pip (requests reads them).
		return strings.HasPrefix(key, "PIP_") || strings.HasSuffix(strings.ToUpper(key), "_PROXY") ||
			key == "REQUESTS_CA_BUNDLE" || key == "CURL_CA_BUNDLE" || key == "NETRC"
	})
	env = append(env, "PIP_CONFIG_FILE="+os.DevNull, "PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_INDEX_URL="+s.AuthURL())
	if s.options.TLS {
		return append(env, "PIP_CERT="+s.CA.File)
	}
	return append(env, "PIP_TRUSTED_HOST="+s.Host())
}

// Add adds wheels (or other files) under their file names; the project is
// what comes before the first "-".
func (s *Index) Add(files map[string][]byte) {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		project, _, _ := strings.Cut(name, "-")
		s.AddFile(project, Artifact{Name: name, Data: files[name]})
	}
}

// AddFile adds one file to a project and returns its URL. A project without
// files is made by an empty Artifact.
func (s *Index) AddFile(project string, f Artifact) string {
	project = pep508.Normalize(project)
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Name == "" {
		s.projects[project] = append(s.projects[project], nil...)
		return ""
	}
	if f.Metadata == nil && !s.options.NoMetadata {
		f.Metadata = wheelMetadata(f.Data)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(f.Data))
	if f.SHA256 == "" {
		f.SHA256 = sum
	}
	if f.Size == 0 {
		f.Size = int64(len(f.Data))
	}
	path := "/files/" + sum[:2] + "/" + sum[2:10] + "/" + f.Name
	if f.Href == "" {
		f.Href = s.base() + (&url.URL{Path: path}).EscapedPath()
	}
	s.projects[project] = append(s.projects[project], &f)
	s.files[path] = &f
	return f.Href
}

// Remove takes a project away.
func (s *Index) Remove(project string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.projects, pep508.Normalize(project))
}

// PagePath is the path of a project's page, for Fault and Requests.
func (s *Index) PagePath(project string) string { return "/simple/" + pep508.Normalize(project) + "/" }

// FilePath is the path of a file that was added under that name (the last
// one), for Fault and Requests; "" if there is none.
func (s *Index) FilePath(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for path, f := range s.files {
		if f.Name == name {
			return path
		}
	}
	return ""
}

// Fault makes a path misbehave; the zero Fault mends it.
func (s *Index) Fault(path string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[path] = &f
}

// Requests is everything asked so far, in order of arrival; it waits for
// answers that are still being sent.
func (s *Index) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	timeout := time.AfterFunc(2*time.Second, s.idle.Broadcast)
	defer timeout.Stop()
	if s.active > 0 { // at most once: a hanging fault never ends
		s.idle.Wait()
	}
	out := make([]Request, len(s.log))
	for i, r := range s.log {
		out[i] = *r
	}
	return out
}

// Connections is how many were opened so far.
func (s *Index) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// Active is how many requests are being answered now.
func (s *Index) Active() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active
}

// Wheels is the GETs of Requests whose path ends in .whl: to be empty when
// a client was expected to download none.
func (s *Index) Wheels() []Request {
	return slices.DeleteFunc(s.Requests(), func(r Request) bool {
		return r.Method != http.MethodGet || !strings.HasSuffix(r.Path, ".whl")
	})
}

// Reset forgets the requests.
func (s *Index) Reset() {
	s.Requests()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = nil
}
