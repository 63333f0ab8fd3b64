package fetch

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// connectTime bounds one connection attempt. Options.Timeout may be minutes (it also
// covers slow answers); a host that does not accept within this is down.
const connectTime = 30 * time.Second

// transports builds the two connection pools: certificates checked, and not checked.
func transports(o *Options) (checked, unchecked *http.Transport, _ error) {
	config, err := o.tls()
	if err != nil {
		return nil, nil, err
	}
	proxy, err := o.Proxy.choose()
	if err != nil {
		return nil, nil, err
	}
	dialer := &net.Dialer{Timeout: min(o.Timeout, connectTime), KeepAlive: 30 * time.Second}
	checked = &http.Transport{
		Proxy:                 func(r *http.Request) (*url.URL, error) { return proxy(r.URL) },
		DialContext:           dialer.DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   min(o.Timeout, connectTime),
		ResponseHeaderTimeout: o.Timeout,
		MaxConnsPerHost:       o.Jobs,
		MaxIdleConnsPerHost:   o.Jobs,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true, // files must come as they are; whoever accepts gzip unpacks it under a limit
		ReadBufferSize:        32 << 10,
		// HTTP/2 would put every download on one connection, whose decryption is one
		// goroutine's work; several HTTP/1.1 connections use all cores.
		Protocols: new(http.Protocols),
	}
	checked.Protocols.SetHTTP1(true)
	unchecked = checked.Clone()
	unchecked.TLSClientConfig.InsecureSkipVerify = true // for TrustedHosts only
	return checked, unchecked, nil
}

func (o *Options) tls() (*tls.Config, error) {
	roots, err := o.authorities()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if o.ClientCert == "" {
		return config, nil
	}
	var pems [2][]byte
	for i, path := range []string{o.ClientCert, cmp.Or(o.ClientKey, o.ClientCert)} {
		if pems[i], err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("read client certificate: %w", err)
		}
	}
	pair, err := tls.X509KeyPair(pems[0], pems[1])
	if err != nil {
		return nil, Hinted(fmt.Errorf("client certificate %s: %w", o.ClientCert, err),
			o.Names.hint("name one PEM file with the certificate and its unencrypted key in %s", o.Names.ClientCert))
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// authorities returns nil for the system's own.
func (o *Options) authorities() (*x509.CertPool, error) {
	bundles := o.CABundles
	if len(bundles) == 0 && o.CAText != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(o.CAText)) {
			return nil, Hinted(errors.New("no certificate in the text of authorities"), o.Names.hint("correct %s", o.Names.CABundle))
		}
		return pool, nil
	}
	if len(bundles) == 0 {
		pool, err := x509.SystemCertPool()
		if extra, rerr := os.ReadFile(o.ExtraCA); err == nil && rerr == nil && pool.AppendCertsFromPEM(extra) {
			return pool, nil
		}
		if err == nil && !pool.Equal(x509.NewCertPool()) || o.FallbackCA == "" {
			return nil, nil
		}
		bundles = []string{o.FallbackCA}
	}
	hint := o.Names.hint("correct %s", o.Names.CABundle)
	pool := x509.NewCertPool()
	for _, bundle := range bundles {
		files := []string{bundle}
		if entries, err := os.ReadDir(bundle); err == nil {
			files = nil
			for _, e := range entries {
				files = append(files, filepath.Join(bundle, e.Name()))
			}
		}
		found := false
		for _, f := range files {
			pem, err := os.ReadFile(f)
			if err != nil && f == bundle {
				return nil, Hinted(fmt.Errorf("read certificates: %w", err), hint)
			}
			found = pool.AppendCertsFromPEM(pem) || found
		}
		if !found {
			return nil, Hinted(fmt.Errorf("no certificate in %s", bundle), hint)
		}
	}
	return pool, nil
}
