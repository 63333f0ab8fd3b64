package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"larder/builder/pypi/index/pipconfig"
)

// connectTime bounds one connection attempt. pip's timeout may be minutes (it
// also covers slow answers); a host that does not accept within this is down.
const connectTime = 30 * time.Second

// transport builds the two connection pools (certificates checked, or not for
// trusted hosts) behind the counting, pausing round tripper.
func (c *Client) transport() (http.RoundTripper, error) {
	roots, err := authorities(c.config)
	if err != nil {
		return nil, err
	}
	tlsConfig := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	if file := c.config.ClientCert; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%w: read client certificate: %w", pipconfig.ErrConfig, err)
		}
		pair, err := tls.X509KeyPair(pem, pem)
		if err != nil {
			return nil, pipconfig.Hinted(fmt.Errorf("%w: client certificate %s: %w", pipconfig.ErrConfig, file, err),
				"pip's client-cert is one PEM file with the certificate and its unencrypted key")
		}
		tlsConfig.Certificates = []tls.Certificate{pair}
	}
	proxy, err := c.config.Proxy.Func()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: min(c.config.Timeout, connectTime), KeepAlive: 30 * time.Second}
	checked := &http.Transport{
		Proxy:                 func(r *http.Request) (*url.URL, error) { return proxy(r.URL) },
		DialContext:           dialer.DialContext,
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   min(c.config.Timeout, connectTime),
		ResponseHeaderTimeout: c.config.Timeout,
		MaxConnsPerHost:       c.limits.Jobs,
		MaxIdleConnsPerHost:   c.limits.Jobs,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true, // wheels must come as they are, pages are unpacked under a limit
		ReadBufferSize:        32 << 10,
		// HTTP/2 would put every download on one connection, whose decryption
		// is one goroutine's work; several HTTP/1.1 connections use all cores.
		Protocols: new(http.Protocols),
	}
	checked.Protocols.SetHTTP1(true)
	unchecked := checked.Clone()
	unchecked.TLSClientConfig.InsecureSkipVerify = true // for trusted-host only, as pip does
	return &meter{client: c, checked: checked, unchecked: unchecked}, nil
}

// authorities returns nil for the system's own.
func authorities(config pipconfig.Config) (*x509.CertPool, error) {
	bundles := config.CABundles
	if len(bundles) == 0 {
		pool, err := x509.SystemCertPool()
		if err == nil && !pool.Equal(x509.NewCertPool()) || config.FallbackCA == "" {
			return nil, nil
		}
		bundles = []string{config.FallbackCA}
	}
	const hint = "correct pip's cert option (PIP_CERT)"
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
				return nil, pipconfig.Hinted(fmt.Errorf("%w: read certificates: %w", pipconfig.ErrConfig, err), hint)
			}
			found = pool.AppendCertsFromPEM(pem) || found
		}
		if !found {
			return nil, pipconfig.Hinted(fmt.Errorf("%w: no certificate in %s", pipconfig.ErrConfig, bundle), hint)
		}
	}
	return pool, nil
}

// meter counts, waits for paused hosts, and picks the pool. It renames the
// Location header: net/http would parse it and quote it in errors, and a
// Location may carry credentials.
type meter struct {
	client             *Client
	checked, unchecked *http.Transport
}

const locationKey = "Larder-Location"

type triesKey struct{}

func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := m.client.waitFor(r.Context(), r.URL.Host); err != nil {
		return nil, err
	}
	if err := m.client.slow.left(r.URL.Host); err != nil {
		return nil, err
	}
	m.client.requests.Add(1)
	if n, ok := r.Context().Value(triesKey{}).(*int); ok {
		*n++
	}
	pool := m.checked
	if pipconfig.Trusted(r.URL, m.client.config.TrustedHosts) {
		pool = m.unchecked
	}
	start := time.Now()
	resp, err := pool.RoundTrip(r)
	// Told by the next request or Read: this answer is there.
	_ = m.client.slow.spend(r.URL.Host, time.Since(start)-m.client.limits.grace())
	if err != nil {
		return nil, err
	}
	delete(resp.Header, locationKey)
	if l, ok := resp.Header["Location"]; ok {
		resp.Header[locationKey] = l
		delete(resp.Header, "Location")
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusNotModified {
		m.client.bytes.Add(discard(resp))
	}
	if d, ok := retryAfter(resp, time.Now()); ok {
		m.client.pauseHost(r.URL.Host, min(d, m.client.limits.MaxRetryAfter))
	}
	return resp, nil
}

// discard reads the body of an answer that is only a status, so that its
// connection can be used again: a little, for a moment. Whoever retries would
// otherwise wait for a slow one.
func discard(resp *http.Response) int64 {
	timer := time.AfterFunc(time.Second, func() { resp.Body.Close() })
	n, _ := io.CopyN(io.Discard, resp.Body, 16<<10)
	timer.Stop()
	resp.Body.Close()
	resp.Body = http.NoBody
	return n
}

func (m *meter) CloseIdleConnections() {
	m.checked.CloseIdleConnections()
	m.unchecked.CloseIdleConnections()
}

func (c *Client) pauseHost(host string, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := time.Now().Add(d); until.After(c.pause[host]) {
		c.pause[host] = until
	}
}

func (c *Client) waitFor(ctx context.Context, host string) error {
	c.mu.Lock()
	until := c.pause[host]
	c.mu.Unlock()
	return sleep(ctx, time.Until(until))
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// checkRetry says which outcomes may be better next time.
func checkRetry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return !permanent(err), err
	}
	switch s := resp.StatusCode; {
	case s == http.StatusRequestTimeout, s == http.StatusTooManyRequests:
		return true, nil
	case s == http.StatusNotImplemented, s == http.StatusHTTPVersionNotSupported:
		return false, nil
	default:
		return s >= 500, nil
	}
}

// permanent: certificates and names do not get better within seconds.
func permanent(err error) bool {
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var dns *net.DNSError
	switch {
	case errors.Is(err, ErrGivenUp):
		return true
	case errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert), isAlert(err):
		return true
	case errors.As(err, &dns):
		return dns.IsNotFound
	}
	return false
}

// isAlert: the peer's TLS alert (such as "certificate required") comes as a
// net.OpError whose Op is "remote error".
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// backoff is how long to wait before try number attempt+1.
func (c *Client) backoff(attempt int, resp *http.Response) time.Duration {
	if d, ok := retryAfter(resp, time.Now()); ok {
		return min(d, c.limits.MaxRetryAfter)
	}
	d := c.limits.RetryBase << min(attempt, 20)
	if d <= 0 || d > c.limits.RetryMax {
		d = c.limits.RetryMax
	}
	return d/2 + rand.N(d/2+1)
}

// retryAfter reads the header of the answers that may carry it: seconds or a date.
func retryAfter(resp *http.Response, now time.Time) (time.Duration, bool) {
	if resp == nil || resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	v := resp.Header.Get("Retry-After")
	if s, err := strconv.ParseInt(v, 10, 32); err == nil && s >= 0 {
		return time.Duration(s) * time.Second, true
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0), true
	}
	return 0, false
}
