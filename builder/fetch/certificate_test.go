package fetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A client's certificate is shown to a server that wants one, its key beside it or in a file of its own.
func TestClientCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	srv.StartTLS()
	defer srv.Close()
	dir := t.TempDir()
	file := func(name string, blocks ...*pem.Block) string {
		var b []byte
		for _, block := range blocks {
			b = append(b, pem.EncodeToMemory(block)...)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	authority := file("ca.pem", &pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	certOnly, keyOnly := &pem.Block{Type: "CERTIFICATE", Bytes: der}, &pem.Block{Type: "PRIVATE KEY", Bytes: secret}
	for _, try := range []struct {
		cert, key string
		ok        bool
	}{
		{file("both.pem", certOnly, keyOnly), "", true},
		{file("cert.pem", certOnly), file("key.pem", keyOnly), true},
		{"", "", false},
	} {
		c, err := New(Options{Access: Access{CABundles: []string{authority}, ClientCert: try.cert, ClientKey: try.key, Retries: -1}})
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(srv.URL)
		if _, err := c.Get(t.Context(), Request{URL: u, MaxBytes: 10}); (err == nil) != try.ok {
			t.Errorf("%+v: %v", try, err)
		}
		c.Close()
	}
	for _, bad := range []Access{{ClientCert: filepath.Join(dir, "cert.pem")}, {ClientCert: filepath.Join(dir, "cert.pem"), ClientKey: filepath.Join(dir, "none")}} {
		if _, err := New(Options{Access: bad}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// strangeAuthority is one that signed nothing.
func strangeAuthority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IsCA: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Authorities besides the system's are believed, unless a text or a bundle has all that are; a file that is none
// counts for nothing.
func TestExtraAuthorities(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	dir := t.TempDir()
	extra, empty := filepath.Join(dir, "extra.pem"), filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(extra, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	text, other, otherFile := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})), strangeAuthority(t), filepath.Join(dir, "other.pem")
	if err := os.WriteFile(otherFile, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Access: Access{CAText: "none"}}); err == nil {
		t.Error("a text without certificates was taken")
	}
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	system, err := (&Options{}).authorities()
	if err != nil || system != nil {
		t.Fatalf("%v, %v", system, err)
	}
	if pool, err := (&Options{Access: Access{ExtraCA: extra}}).authorities(); err != nil || pool == nil {
		t.Fatalf("%v, %v", pool, err)
	} else if all, err := x509.SystemCertPool(); err != nil || pool.Equal(all) || !all.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})) || !pool.Equal(all) {
		t.Errorf("not the system's and one more: %v", err)
	}
	for _, try := range []struct {
		access Access
		ok     bool
	}{
		{Access{CAText: text}, true}, {Access{CAText: text, ExtraCA: empty}, true}, {Access{CAText: other, ExtraCA: extra}, false}, {Access{CAText: text, CABundles: []string{otherFile}}, false},
		{Access{ExtraCA: extra}, true}, {Access{ExtraCA: extra, CABundles: []string{otherFile}}, false}, {Access{}, false}, {Access{ExtraCA: empty}, false}, {Access{ExtraCA: filepath.Join(dir, "none")}, false},
	} {
		try.access.Retries = -1
		c, err := New(Options{Access: try.access})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(t.Context(), Request{URL: u, MaxBytes: 10}); (err == nil) != try.ok {
			t.Errorf("%+v: %v", try, err)
		}
		c.Close()
	}
}
