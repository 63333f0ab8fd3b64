package index

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"larder/builder/pypi/index/pipconfig"
	"larder/builder/pypi/index/wire"
)

// Sink takes a file's bytes. Truncate forgets all of them: the download
// starts again from the first byte.
type Sink interface {
	io.Writer
	Truncate() error
}

// freeProgress is how much a leg must bring for the count of tries to start
// again: a large file over a line that is cut now and then gets through, and
// Options.FileTime still ends it.
const freeProgress = 1 << 20

// Fetch streams a file into the sink and returns its size. A nil error means
// that the sink holds exactly the bytes the index published. After an error
// the sink's content is of no use. Errors of the sink itself come back
// wrapped, without one of this package's sentinels.
func (c *Client) Fetch(ctx context.Context, f File, to Sink) (int64, error) {
	const op = "fetch"
	u, err := url.Parse(f.URL)
	if err != nil {
		return 0, &Error{Op: op, Name: f.Filename, Kind: ErrRefused, Cause: errors.New("its URL cannot be read")}
	}
	refuse := func(kind, cause error) (int64, error) {
		return 0, &Error{Op: op, Name: f.Filename, URL: pipconfig.Clean(u), Kind: kind, Cause: cause}
	}
	if f.SHA256 == "" {
		return refuse(ErrNoHash, nil)
	}
	if f.Size > c.options.MaxFile {
		return refuse(ErrRefused, fmt.Errorf("%d bytes are more than the %d allowed", f.Size, c.options.MaxFile))
	}
	call, end, err := c.begin(ctx, c.options.FileTime)
	if err != nil {
		return 0, wire.Problem(ctx, op, f.Filename, u, err)
	}
	defer end()
	d := &download{client: c, file: f, to: to, hash: sha256.New(), total: f.Size}
	n, err := d.run(call, u)
	var known *Error
	var sink *sinkError
	switch {
	case err == nil:
		return n, nil
	case errors.As(err, &known):
		return 0, err
	case errors.As(err, &sink):
		return 0, fmt.Errorf("store %s: %w", f.Filename, sink.error)
	}
	return 0, wire.Problem(ctx, op, f.Filename, u, err)
}

// download is one file on its way.
type download struct {
	client    *Client
	file      File
	to        Sink
	hash      hash.Hash
	got       int64  // bytes in the sink
	total     int64  // expected, -1 while unknown
	validator string // for If-Range
	resumed   bool   // the bytes came in more than one leg
	fromZero  bool   // Range is not to be tried again
	kind      string // content type, for the message
}

type sinkError struct{ error }

// errAgain: this leg cannot be used, but a start from zero may be.
var errAgain = errors.New("the server's answer to a range does not fit")

func (d *download) run(ctx context.Context, u *url.URL) (int64, error) {
	for try := 0; ; try++ {
		before := d.got
		err := d.leg(ctx, u)
		if err == nil {
			if err = d.check(); err == nil {
				return d.got, nil
			}
			if !d.resumed {
				return 0, err
			}
			// The file may have changed between two legs: once more, whole.
			if err := d.restart(); err != nil {
				return 0, err
			}
			d.fromZero = true
			continue
		}
		var cut *cutError
		switch {
		case errors.Is(err, errAgain):
			if d.fromZero {
				return 0, err
			}
			if err := d.restart(); err != nil {
				return 0, err
			}
			d.fromZero = true
			continue
		case !errors.As(err, &cut), ctx.Err() != nil:
			return 0, err
		}
		if d.got-before >= freeProgress {
			try = 0
		}
		if try >= d.client.config.Retries {
			return 0, fmt.Errorf("%w after %d of %s bytes (%d tries)", cut.error, d.got, sizeText(d.total), try+1)
		}
		if d.client.wire.Pause(ctx, try) != nil {
			return 0, context.Cause(ctx)
		}
	}
}

// cutError is a body that ended early; what came is kept.
type cutError struct{ error }

func (e *cutError) Unwrap() error { return e.error }

// leg is one request and as much of its body as comes.
func (d *download) leg(ctx context.Context, u *url.URL) error {
	header := http.Header{"Accept-Encoding": {"identity"}}
	if d.fromZero && d.got > 0 {
		if err := d.restart(); err != nil {
			return err
		}
	}
	if d.got > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(d.got, 10)+"-")
		if d.validator != "" {
			header.Set("If-Range", d.validator)
		}
	}
	a, err := d.client.wire.Send(ctx, http.MethodGet, u, header)
	if err != nil {
		return err
	}
	defer a.Close()
	switch a.StatusCode {
	case http.StatusOK:
		if d.got > 0 { // Range ignored, or the file has changed
			if err := d.restart(); err != nil {
				return err
			}
		}
		d.validator = validator(a.Header)
		if a.ContentLength >= 0 {
			if d.file.Size >= 0 && a.ContentLength != d.file.Size {
				return fmt.Errorf("%w: %d bytes sent, %d published", ErrHash, a.ContentLength, d.file.Size)
			}
			d.total = a.ContentLength
		}
	case http.StatusPartialContent:
		start, total, ok := contentRange(a.Header.Get("Content-Range"))
		// The end is not looked at: a leg that ends early is a cut like any.
		if d.got == 0 || !ok || start != d.got || d.total >= 0 && total >= 0 && total != d.total {
			return errAgain
		}
		d.resumed = true
	case http.StatusRequestedRangeNotSatisfiable:
		return errAgain
	default:
		return wire.StatusError("fetch", d.file.Filename, a)
	}
	if e := a.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return fmt.Errorf("%w: sent with content encoding %.40q, which nobody asked for", ErrRefused, e)
	}
	if d.total > d.client.options.MaxFile {
		return fmt.Errorf("%w: %d bytes are more than the %d allowed", ErrRefused, d.total, d.client.options.MaxFile)
	}
	d.kind = a.Header.Get("Content-Type")
	return d.copy(a.Body)
}

// copy moves the body to the sink in large writes.
func (d *download) copy(from io.Reader) error {
	limit := d.total
	if limit < 0 {
		limit = d.client.options.MaxFile
	}
	buf := make([]byte, 128<<10)
	for {
		n, err := fill(from, buf)
		if n > 0 {
			if d.got+int64(n) > limit {
				return fmt.Errorf("%w: more than %d bytes sent", ErrHash, limit)
			}
			d.hash.Write(buf[:n])
			if _, err := d.to.Write(buf[:n]); err != nil {
				return &sinkError{err}
			}
			d.got += int64(n)
		}
		switch {
		case err == io.EOF && d.total >= 0 && d.got < d.total:
			return &cutError{wire.ErrCut}
		case err == io.EOF:
			return nil
		case err != nil:
			return &cutError{err}
		}
	}
}

// fill reads until buf is full or the reader says something.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (d *download) restart() error {
	d.hash.Reset()
	d.got, d.resumed, d.total, d.validator = 0, false, d.file.Size, ""
	if err := d.to.Truncate(); err != nil {
		return &sinkError{err}
	}
	return nil
}

func (d *download) check() error {
	if d.file.Size >= 0 && d.got != d.file.Size {
		return fmt.Errorf("%w: %d bytes sent, %d published", ErrHash, d.got, d.file.Size)
	}
	if sum := hex.EncodeToString(d.hash.Sum(nil)); sum != d.file.SHA256 {
		note := ""
		if strings.HasPrefix(d.kind, "text/html") {
			note = ", an html page came instead"
		}
		return fmt.Errorf("%w: sha256 is %s, published is %s%s", ErrHash, sum, d.file.SHA256, note)
	}
	return nil
}

// validator is what If-Range may carry: a strong ETag, else Last-Modified.
// Without either a resumed file is trusted to its hash alone.
func validator(h http.Header) string {
	if e := h.Get("ETag"); strings.HasPrefix(e, `"`) {
		return e
	}
	return h.Get("Last-Modified")
}

// contentRange reads "bytes 5-9/10"; total is -1 for "*".
func contentRange(v string) (start, total int64, ok bool) {
	v, ok = strings.CutPrefix(v, "bytes ")
	span, all, ok2 := strings.Cut(v, "/")
	first, last, ok3 := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	end, err2 := strconv.ParseInt(last, 10, 64)
	total = -1
	var err3 error
	if all != "*" {
		total, err3 = strconv.ParseInt(all, 10, 64)
	}
	if !ok || !ok2 || !ok3 || err != nil || err2 != nil || err3 != nil || start < 0 || end < start || total >= 0 && end >= total {
		return 0, 0, false
	}
	return start, total, true
}

func sizeText(n int64) string {
	if n < 0 {
		return "an unknown number of"
	}
	return strconv.FormatInt(n, 10)
}
