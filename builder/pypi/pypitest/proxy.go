package pypitest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// Proxy is a forward proxy that writes down what passes: for http every
// request, for https every tunnel (CONNECT) with the bytes that came back.
type Proxy struct {
	// Hosts maps host:port to where it really is, so that a test can use
	// names such as index.example:80.
	Hosts map[string]string

	server         *httptest.Server
	out            *http.Transport
	user, password string
	mu             sync.Mutex
	log            []*Request
}

// NewProxy starts a proxy; with a user it asks for basic authentication.
func NewProxy(t testing.TB, user, password string) *Proxy {
	t.Helper()
	p := &Proxy{user: user, password: password, Hosts: map[string]string{}, out: &http.Transport{DisableCompression: true}}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.handle))
	p.server.Config.ErrorLog = quiet(t)
	p.server.Start()
	t.Cleanup(func() {
		p.server.CloseClientConnections()
		p.server.Close()
		p.out.CloseIdleConnections()
	})
	return p
}

// URL is for HTTP_PROXY and pip's proxy option, user and password included.
func (p *Proxy) URL() string {
	u, _ := url.Parse(p.server.URL)
	if p.user != "" {
		u.User = url.UserPassword(p.user, p.password)
	}
	return u.String()
}

// Requests is what has passed. Path is host and path; for CONNECT the host.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Request, len(p.log))
	for i, r := range p.log {
		out[i] = *r
	}
	return out
}

func (p *Proxy) handle(w http.ResponseWriter, r *http.Request) {
	entry := &Request{Method: r.Method, Path: r.Host + r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Status: http.StatusOK}
	if r.Method == http.MethodConnect {
		entry.Path = r.Host
	}
	p.mu.Lock()
	p.log = append(p.log, entry)
	p.mu.Unlock()
	if p.user != "" {
		as := &http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}
		if user, password, _ := as.BasicAuth(); user != p.user || password != p.password {
			p.note(entry, http.StatusProxyAuthRequired, 0)
			w.Header().Set("Proxy-Authenticate", `Basic realm="proxy"`)
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
	}
	if r.Method == http.MethodConnect {
		p.tunnel(w, r, entry)
		return
	}
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.Header.Del("Proxy-Authorization")
	if real, ok := p.Hosts[r.URL.Host]; ok {
		out.URL.Host = real
	}
	resp, err := p.out.RoundTrip(out)
	if err != nil {
		p.note(entry, http.StatusBadGateway, 0)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(resp.StatusCode)
	n, _ := io.Copy(w, resp.Body)
	p.note(entry, resp.StatusCode, n)
}

func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request, entry *Request) {
	to := r.Host
	if real, ok := p.Hosts[to]; ok {
		to = real
	}
	far, err := net.Dial("tcp", to)
	if err != nil {
		p.note(entry, http.StatusBadGateway, 0)
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	io.WriteString(near, "HTTP/1.1 200 OK\r\n\r\n")
	go func() {
		io.Copy(far, buffered)
		far.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(near, countReader{far, func(n int) { p.note(entry, http.StatusOK, int64(n)) }})
}

type countReader struct {
	io.Reader
	count func(int)
}

func (c countReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.count(n)
	return n, err
}

func (p *Proxy) note(entry *Request, status int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	entry.Status, entry.Bytes = status, entry.Bytes+bytes
}
