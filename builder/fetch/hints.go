package fetch

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// Names are what a user calls the options, where they are set. Hints are written with
// them; without any there are no such hints.
type Names struct {
	Address    string // of the index
	Login      string // user and password
	CABundle   string
	ClientCert string
	Proxy      string
	Show       string // a command that shows them all
}

// hint fills in names.
func (n *Names) hint(format string, names ...any) string {
	if *n == (Names{}) {
		return ""
	}
	return fmt.Sprintf(format, names...)
}

// hintFor says what a user can do about a connection's failure.
func (n *Names) hintFor(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var host x509.HostnameError
	var dns *net.DNSError
	switch {
	case errors.As(err, &unknown):
		return n.hint("give the authority that signed it with %s", n.CABundle)
	case errors.As(err, &invalid), errors.As(err, &host):
		return n.hint("the server's certificate is not good for this host: correct %s, or the server", n.Address)
	case isAlert(err) && strings.Contains(err.Error(), "certificate"):
		return n.hint("the server wants a client certificate: set %s", n.ClientCert)
	case strings.Contains(err.Error(), http.StatusText(http.StatusProxyAuthRequired)):
		return n.hint("put the proxy's user and password in %s", n.Proxy)
	case errors.As(err, &dns):
		return n.hint("check %s and the name server: %s", n.Address, n.Show)
	case errors.Is(err, ErrSlow), errors.Is(err, ErrTooLong), errors.Is(err, ErrGivenUp):
		return "try again later, or use a nearer index"
	case errors.Is(err, ErrRefused), errors.Is(err, ErrHash), errors.Is(err, ErrLarge):
		return ""
	}
	return n.hint("check the network, the proxy and %s: %s", n.Address, n.Show)
}

// Hinted gives an error a Hint method.
func Hinted(err error, hint string) error { return hinted{err, hint} }

type hinted struct {
	error
	hint string
}

func (e hinted) Hint() string  { return e.hint }
func (e hinted) Unwrap() error { return e.error }
