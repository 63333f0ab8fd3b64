package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"

	"larder/builder/fetch"
)

// ErrNoHash: the page publishes no SHA-256 for the file.
var ErrNoHash = errors.New("index publishes no sha256 for this file")

// Fetch streams a file into the sink and returns its size. A nil error means
// that the sink holds exactly the bytes the index published. After an error
// the sink's content is of no use. Errors of the sink itself come back
// wrapped, without one of this package's sentinels.
func (c *Client) Fetch(ctx context.Context, f File, to fetch.Sink) (int64, error) {
	const op = "fetch"
	u, err := parseURL(op, f)
	if err != nil {
		return 0, err
	}
	if f.SHA256 == "" {
		return 0, &Error{Op: op, Name: f.Filename, URL: fetch.Clean(u), Kind: ErrNoHash}
	}
	return c.http.Download(ctx, fetch.File{
		Name: f.Filename, URL: u, Digest: f.SHA256, Size: f.Size, MaxBytes: c.options.MaxFile, Time: c.options.FileTime,
	}, to)
}

func parseURL(op string, f File) (*url.URL, error) {
	u, err := url.Parse(f.URL)
	if err != nil {
		return nil, &Error{Op: op, Name: f.Filename, Kind: ErrRefused, Cause: errors.New("its URL cannot be read")}
	}
	return u, nil
}

// FetchMetadata returns FILE.metadata (PEP 658). The bytes are verified when
// the page published their hash; when it did not even say that they exist,
// they must at least look like metadata. ErrNotFound: the index has none.
func (c *Client) FetchMetadata(ctx context.Context, f File) ([]byte, error) {
	const op = "fetch metadata of"
	u, err := parseURL(op, f)
	if err != nil {
		return nil, err
	}
	u.RawPath = u.EscapedPath() + ".metadata"
	u.Path += ".metadata"
	a, err := c.http.Get(ctx, fetch.Request{
		Op: op, Name: f.Filename, URL: u, MaxBytes: c.options.MaxMetadata, Time: c.options.PageTime,
		Use: func(a *fetch.Answer) error { return checkMetadata(f, a.Body) },
	})
	if err != nil {
		return nil, err
	}
	return a.Body, nil
}

func checkMetadata(f File, b []byte) error {
	switch {
	case f.MetadataSHA256 != "":
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != f.MetadataSHA256 {
			return fmt.Errorf("%w: sha256 is %x, published is %s", ErrHash, sum, f.MetadataSHA256)
		}
	case looksLikeMetadata(b):
	case f.Metadata:
		return &Error{Kind: ErrPage, Cause: fmt.Errorf("%w: the index announced metadata and sent something else", ErrPage)}
	default:
		return &Error{Kind: ErrNotFound, Cause: errors.New("what is there is no metadata")}
	}
	return nil
}

// looksLikeMetadata: an index that answers everything with a page must not
// have that page taken for metadata.
func looksLikeMetadata(b []byte) bool {
	head := bytes.ToLower(b[:min(len(b), 4096)])
	return bytes.HasPrefix(head, []byte("metadata-version:")) || bytes.Contains(head, []byte("\nmetadata-version:"))
}

// Size returns a file's length: what the page told, or what one HEAD tells,
// which is remembered in the client's cache.
func (c *Client) Size(ctx context.Context, f File) (int64, error) {
	const op = "ask the size of"
	if f.Size >= 0 {
		return f.Size, nil
	}
	if n, ok := c.options.Cache.size(f.URL); ok {
		return n, nil
	}
	u, err := parseURL(op, f)
	if err != nil {
		return 0, err
	}
	n, err := c.http.Size(ctx, fetch.Request{Op: op, Name: f.Filename, URL: u, Time: c.options.PageTime})
	switch {
	case err != nil:
		return 0, err
	case n < 0:
		return 0, &Error{Op: op, Name: f.Filename, URL: fetch.Clean(u), Kind: ErrNotFound, Cause: errors.New("the server does not tell it")}
	}
	c.options.Cache.putSize(f.URL, n)
	return n, nil
}
