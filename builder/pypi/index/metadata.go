package index

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"larder/builder/pypi/index/pipconfig"
	"larder/builder/pypi/index/wire"
)

// FetchMetadata returns FILE.metadata (PEP 658). The bytes are verified when
// the page published their hash; when it did not even say that they exist,
// they must at least look like metadata. ErrNotFound: the index has none.
func (c *Client) FetchMetadata(ctx context.Context, f File) ([]byte, error) {
	const op = "fetch metadata of"
	u, err := url.Parse(f.URL)
	if err != nil {
		return nil, &Error{Op: op, Name: f.Filename, Kind: ErrRefused, Cause: errors.New("its URL cannot be read")}
	}
	u.RawPath = u.EscapedPath() + ".metadata"
	u.Path += ".metadata"
	call, end, err := c.begin(ctx, c.options.PageTime)
	if err != nil {
		return nil, wire.Problem(ctx, op, f.Filename, u, err)
	}
	defer end()
	var b []byte
	err = c.repeat(ctx, call, op, f.Filename, u, func() (again bool, err error) {
		b, again, err = c.metadataOnce(call, f, u)
		return again, err
	})
	return b, err
}

func (c *Client) metadataOnce(ctx context.Context, f File, u *url.URL) (_ []byte, again bool, _ error) {
	const op = "fetch metadata of"
	a, err := c.wire.Send(ctx, http.MethodGet, u, http.Header{"Accept-Encoding": {"identity"}})
	if err != nil {
		return nil, false, err
	}
	defer a.Close()
	if a.StatusCode != http.StatusOK {
		return nil, false, wire.StatusError(op, f.Filename, a)
	}
	if e := a.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, false, fmt.Errorf("%w: sent with content encoding %.40q, which nobody asked for", ErrRefused, e)
	}
	b, err := io.ReadAll(wire.Limit(a.Body, c.options.MaxMetadata))
	switch {
	case errors.Is(err, wire.ErrLarge):
		return nil, false, fmt.Errorf("%w: it is larger than %d bytes", ErrRefused, c.options.MaxMetadata)
	case err != nil:
		return nil, true, err
	}
	if f.MetadataSHA256 != "" {
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != f.MetadataSHA256 {
			return nil, false, fmt.Errorf("%w: sha256 is %x, published is %s", ErrHash, sum, f.MetadataSHA256)
		}
		return b, false, nil
	}
	if !looksLikeMetadata(b) {
		if f.Metadata {
			return nil, false, fmt.Errorf("%w: the index announced metadata and sent something else", ErrPage)
		}
		return nil, false, &Error{Op: op, Name: f.Filename, URL: pipconfig.Clean(u), Kind: ErrNotFound, Cause: errors.New("what is there is no metadata")}
	}
	return b, false, nil
}

// looksLikeMetadata: an index that answers everything with a page must not
// have that page taken for metadata.
func looksLikeMetadata(b []byte) bool {
	head := bytes.ToLower(b[:min(len(b), 4096)])
	return bytes.HasPrefix(head, []byte("metadata-version:")) || bytes.Contains(head, []byte("\nmetadata-version:"))
}

const opSize = "ask the size of"

// Size returns a file's length: what the page told, or what one HEAD tells,
// which is remembered in the client and in its cache.
func (c *Client) Size(ctx context.Context, f File) (int64, error) {
	if f.Size >= 0 {
		return f.Size, nil
	}
	c.mu.Lock()
	n, ok := c.sizes[f.URL]
	c.mu.Unlock()
	if ok {
		return n, nil
	}
	if n, ok := c.options.Cache.Size(f.URL); ok {
		return n, nil
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		return 0, &Error{Op: opSize, Name: f.Filename, Kind: ErrRefused, Cause: errors.New("its URL cannot be read")}
	}
	call, end, err := c.begin(ctx, c.options.PageTime)
	if err != nil {
		return 0, wire.Problem(ctx, opSize, f.Filename, u, err)
	}
	defer end()
	n, err = c.askSize(call, f, u, http.MethodHead)
	if errors.Is(err, ErrRefused) || err == nil && n < 0 {
		// Some servers know no HEAD: one byte by GET tells the same.
		n, err = c.askSize(call, f, u, http.MethodGet)
	}
	var known *Error
	switch {
	case errors.As(err, &known):
		return 0, err
	case err != nil:
		return 0, wire.Problem(ctx, opSize, f.Filename, u, err)
	case n < 0:
		return 0, &Error{Op: opSize, Name: f.Filename, URL: pipconfig.Clean(u), Kind: ErrNotFound, Cause: errors.New("the server does not tell it")}
	}
	c.mu.Lock()
	c.sizes[f.URL] = n
	c.mu.Unlock()
	c.options.Cache.PutSize(f.URL, n)
	return n, nil
}

// askSize returns -1 when the answer does not tell.
func (c *Client) askSize(ctx context.Context, f File, u *url.URL, method string) (int64, error) {
	header := http.Header{"Accept-Encoding": {"identity"}}
	if method == http.MethodGet {
		header.Set("Range", "bytes=0-0")
	}
	a, err := c.wire.Send(ctx, method, u, header)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	switch a.StatusCode {
	case http.StatusOK:
		return a.ContentLength, nil
	case http.StatusPartialContent:
		if _, total, ok := contentRange(a.Header.Get("Content-Range")); ok {
			return total, nil
		}
		return -1, nil
	}
	return 0, wire.StatusError(opSize, f.Filename, a)
}
