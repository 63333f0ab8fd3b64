package uvcache

import (
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// server is a proxy on loopback that answers for every host itself, from what is stocked. It has a
// password of its own: what a private index serves is for nobody else on this host.
type server struct {
	authority *authority
	secret    string
	listener  net.Listener
	outer     *http.Server
	inner     *http.Server  // of what comes in tunnels
	tunnels   chan net.Conn // to it
	done      chan struct{}

	mu    sync.RWMutex
	pages map[string][]indexFile // by address
	files map[string]indexFile   // by address
}

// indexFile is a file as the server offers it.
type indexFile struct {
	project, filename, url, digest, requires string
	size                                     int64                          // as the page says it; 0 where it does not
	hasMetadata                              bool                           // as the page says it
	metadata                                 []byte                         // served beside it; nil for none
	length                                   int64                          // of what is served
	open                                     func() (readSeekCloser, error) // nil: it is on its page only
}

type readSeekCloser interface {
	io.ReaderAt
	io.Closer
}

func newServer() (*server, error) {
	a, err := newAuthority()
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{authority: a, secret: rand.Text(), listener: l, tunnels: make(chan net.Conn), done: make(chan struct{})}
	s.outer = &http.Server{Handler: http.HandlerFunc(s.proxy), ReadHeaderTimeout: time.Minute}
	s.inner = &http.Server{Handler: http.HandlerFunc(s.answer), ReadHeaderTimeout: time.Minute}
	s.offer(nil)
	go s.outer.Serve(l)
	go s.inner.Serve(s)
	return s, nil
}

// Accept, Close and Addr make a listener of the tunnels.
func (s *server) Accept() (net.Conn, error) {
	select {
	case c := <-s.tunnels:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

func (s *server) Close() error   { return nil }
func (s *server) Addr() net.Addr { return s.listener.Addr() }

func (s *server) stop() {
	close(s.done)
	s.outer.Close()
	s.inner.Close()
}

// url is for the variables that name a proxy.
func (s *server) url() string { return "http://larder:" + s.secret + "@" + s.listener.Addr().String() }

// offer makes these the only files there are; by address of their page.
func (s *server) offer(pages map[string][]indexFile) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages, s.files = pages, map[string]indexFile{}
	for _, files := range pages {
		for _, f := range files {
			if f.open == nil {
				continue
			}
			s.files[plain(f.url)] = f
			if f.hasMetadata {
				s.files[plain(f.url)+".metadata"] = f
			}
		}
	}
}

// plain is an address without quoting, which clients do differently.
func plain(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + u.Path
}

func (s *server) proxy(w http.ResponseWriter, r *http.Request) {
	as := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
	if _, password, _ := as.BasicAuth(); subtle.ConstantTimeCompare([]byte(password), []byte(s.secret)) != 1 {
		w.Header().Set("Proxy-Authenticate", `Basic realm="larder build"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		s.answer(w, r)
		return
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	host := (&url.URL{Host: r.Host}).Hostname()
	io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n")
	secure := tls.Server(conn, &tls.Config{NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.authority.certificate(host) }})
	select {
	case s.tunnels <- secure:
	case <-s.done:
		conn.Close()
	}
}

// answer serves a page or a file.
func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	address := "http://" + strings.ToLower(r.Host) + r.URL.Path
	if r.TLS != nil {
		address = "https" + strings.TrimPrefix(address, "http")
	}
	s.mu.RLock()
	page, isPage := s.pages[address]
	file, isFile := s.files[address]
	s.mu.RUnlock()
	switch {
	case isPage:
		// Stale at once: whoever has a network asks the index itself.
		w.Header().Set("Cache-Control", "max-age=0")
		w.Header().Set("Content-Type", "application/vnd.pypi.simple.v1+json")
		json.NewEncoder(w).Encode(pageOf(page))
	case isFile:
		serveFile(w, r, file)
	default:
		http.NotFound(w, r)
	}
}

func serveFile(w http.ResponseWriter, r *http.Request, f indexFile) {
	// A file of an index does not change: years, in seconds.
	w.Header().Set("Cache-Control", "max-age=365000000, immutable, public")
	w.Header().Set("Content-Type", "application/octet-stream")
	if strings.HasSuffix(r.URL.Path, ".metadata") {
		w.Write(f.metadata)
		return
	}
	body, err := f.open()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer body.Close()
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(body, 0, f.length))
}

// jsonPage is PEP 691's page of a project.
type jsonPage struct {
	Meta  map[string]string `json:"meta"`
	Name  string            `json:"name"`
	Files []jsonFile        `json:"files"`
}

type jsonFile struct {
	Filename string            `json:"filename"`
	URL      string            `json:"url"`
	Hashes   map[string]string `json:"hashes"`
	Requires string            `json:"requires-python,omitempty"`
	Size     int64             `json:"size,omitempty"`
	Metadata bool              `json:"core-metadata"`
}

func pageOf(files []indexFile) jsonPage {
	p := jsonPage{Meta: map[string]string{"api-version": "1.1"}}
	for _, f := range files {
		p.Name = f.project
		p.Files = append(p.Files, jsonFile{f.filename, f.url, map[string]string{"sha256": f.digest}, f.requires, f.size, f.hasMetadata})
	}
	return p
}
