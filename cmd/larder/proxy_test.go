package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"larder/builder/pypi/index"
)

// openingProxy is a forward proxy that ends the TLS of its clients with a
// certificate of its own, so that it sees every path they ask for, and passes the
// requests on to the real hosts.
type openingProxy struct {
	URL    string
	CAFile string // PEM, for the client to believe

	t         *testing.T
	ca        *x509.Certificate
	key       *ecdsa.PrivateKey
	transport *http.Transport

	mu     sync.Mutex
	wheels []string
	pages  int
}

func newOpeningProxy(t *testing.T, python string) *openingProxy {
	t.Helper()
	p := &openingProxy{t: t}
	var err error
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &p.key.PublicKey, p.key)
	if err != nil {
		t.Fatal(err)
	}
	if p.ca, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	p.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(p.CAFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	// The real hosts are believed as pip is configured to.
	cfg, err := index.FromPip(t.Context(), []string{python})
	if err != nil {
		t.Fatal(err)
	}
	roots, _ := x509.SystemCertPool()
	if roots == nil || len(cfg.CABundles) > 0 {
		roots = x509.NewCertPool()
	}
	for _, bundle := range append(cfg.CABundles, cfg.FallbackCA) {
		if raw, err := os.ReadFile(bundle); err == nil {
			roots.AppendCertsFromPEM(raw)
		}
	}
	p.transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	server := httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	p.URL = server.URL
	return p
}

func (p *openingProxy) reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wheels, p.pages = nil, 0
}

// counts returns the paths of the wheels asked for, and how much else was.
func (p *openingProxy) counts() ([]string, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wheels, p.pages
}

func (p *openingProxy) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
	host, _, _ := net.SplitHostPort(r.Host)
	cert, err := p.certificate(host)
	if err != nil {
		return
	}
	client := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert}})
	in := bufio.NewReader(client)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		p.note(req.URL.Path)
		req.URL.Scheme, req.URL.Host, req.RequestURI = "https", r.Host, ""
		res, err := p.transport.RoundTrip(req)
		if err != nil {
			res = &http.Response{StatusCode: http.StatusBadGateway, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(strings.NewReader(err.Error()))}
		}
		res.ProtoMajor, res.ProtoMinor = 1, 1
		err = res.Write(client)
		res.Body.Close()
		if err != nil {
			return
		}
	}
}

func (p *openingProxy) note(path string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.HasSuffix(path, ".whl") {
		p.wheels = append(p.wheels, path)
	} else {
		p.pages++
	}
}

func (p *openingProxy) certificate(host string) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, p.ca, &p.key.PublicKey, p.key)
	return tls.Certificate{Certificate: [][]byte{der, p.ca.Raw}, PrivateKey: p.key}, err
}
