package fetch

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
	"time"
)

// File is what was published of a file.
type File struct {
	Name     string
	URL      *url.URL
	Digest   string        // lower-case hex
	Hash     Hash          // of Digest; the zero value is SHA-256
	Size     int64         // -1 if nobody told
	MaxBytes int64         // most that is taken
	Time     time.Duration // for the whole call
}

// Hash is the algorithm of a published digest.
type Hash struct {
	Name string // as people write it: "sha512"
	New  func() hash.Hash
}

// Sink takes a file's bytes. Truncate forgets all of them: the download starts again from
// the first byte.
type Sink interface {
	io.Writer
	Truncate() error
}

// freeProgress is how much a try must bring for the count of tries to start again: a
// large file over a line that is cut now and then gets through, and File.Time still ends
// it.
const freeProgress = 1 << 20

// Download streams a file into the sink and returns its size. A nil error means that the
// sink holds exactly the bytes that were published. After an error the sink's content is
// of no use. Errors of the sink itself come back wrapped, without one of this package's
// kinds.
func (c *Client) Download(ctx context.Context, f File, to Sink) (int64, error) {
	const op = "fetch"
	if f.Size > f.MaxBytes {
		return 0, c.explain(ctx, op, f.Name, f.URL, tooLarge(f.Size, f.MaxBytes))
	}
	call, end, err := c.begin(ctx, f.Time)
	if err != nil {
		return 0, c.explain(ctx, op, f.Name, f.URL, err)
	}
	defer end()
	if f.Hash.New == nil {
		f.Hash = Hash{"sha256", sha256.New}
	}
	d := &download{client: c, file: f, to: to, hash: f.Hash.New(), total: f.Size}
	err = c.retry(call, func() error { return d.try(call) })
	var sink *sinkError
	switch {
	case err == nil:
		return d.got, nil
	case errors.As(err, &sink):
		return 0, fmt.Errorf("store %s: %w", f.Name, sink.error)
	}
	return 0, c.explain(ctx, op, f.Name, f.URL, err)
}

func tooLarge(n, most int64) error {
	return fmt.Errorf("%w: %d bytes are more than the %d allowed", ErrRefused, n, most)
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
	resumed   bool   // the bytes came in more than one part
	whole     bool   // Range is not to be tried again
	kind      string // content type, for the message
}

type sinkError struct{ error }

// errNoFit: this part cannot be used, but a start from zero may be.
var errNoFit = errors.New("the server's answer to a range does not fit")

// try gets what is still missing, and checks the whole.
func (d *download) try(ctx context.Context) error {
	before := d.got
	err := d.part(ctx)
	if err == nil {
		err = d.check()
		if err == nil || !d.resumed {
			return err
		}
		// The file may have changed between two parts: once more, whole.
	} else if !errors.Is(err, errNoFit) || d.whole {
		var t *temporary
		if errors.As(err, &t) {
			t.progress = d.got-before >= freeProgress
		}
		return err
	}
	d.whole = true
	if err := d.restart(); err != nil {
		return err
	}
	return d.try(ctx)
}

// part makes one request and takes as much of its body as comes.
func (d *download) part(ctx context.Context) error {
	if d.whole && d.got > 0 {
		if err := d.restart(); err != nil {
			return err
		}
	}
	header := http.Header{"Accept-Encoding": {"identity"}}
	if d.got > 0 {
		header.Set("Range", "bytes="+strconv.FormatInt(d.got, 10)+"-")
		if d.validator != "" {
			header.Set("If-Range", d.validator)
		}
	}
	a, err := d.client.send(ctx, http.MethodGet, d.file.URL, header, "")
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if err := d.accept(a); err != nil {
		return err
	}
	if err := plain(a.Header.Get("Content-Encoding")); err != nil {
		return err
	}
	if d.total > d.file.MaxBytes {
		return tooLarge(d.total, d.file.MaxBytes)
	}
	d.kind = a.Header.Get("Content-Type")
	return d.copy(a.Body)
}

// accept decides by an answer's head where its bytes belong.
func (d *download) accept(a *answer) error {
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
		return nil
	case http.StatusPartialContent:
		start, total, ok := contentRange(a.Header.Get("Content-Range"))
		// The end is not looked at: a part that ends early is a cut like any.
		if d.got == 0 || !ok || start != d.got || d.total >= 0 && total >= 0 && total != d.total {
			return errNoFit
		}
		d.resumed = true
		return nil
	case http.StatusRequestedRangeNotSatisfiable:
		return errNoFit
	}
	return d.client.status(a)
}

// copy moves the body to the sink in large writes.
func (d *download) copy(from io.Reader) error {
	limit := d.total
	if limit < 0 {
		limit = d.file.MaxBytes
	}
	buf := make([]byte, 128<<10)
	for {
		n, err := io.ReadFull(from, buf)
		if err == io.ErrUnexpectedEOF { // ReadFull's own: a cut body says ErrCut
			err = io.EOF
		}
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
			return d.cut(ErrCut)
		case err == io.EOF:
			return nil
		case err != nil:
			return d.cut(err)
		}
	}
}

// cut is a body that ended early; what came is kept.
func (d *download) cut(err error) error {
	of := "an unknown number of"
	if d.total >= 0 {
		of = strconv.FormatInt(d.total, 10)
	}
	return broken(fmt.Errorf("%w after %d of %s bytes", err, d.got, of))
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
	if sum := hex.EncodeToString(d.hash.Sum(nil)); sum != d.file.Digest {
		note := ""
		if strings.HasPrefix(d.kind, "text/html") {
			note = ", an html page came instead"
		}
		return fmt.Errorf("%w: %s is %s, published is %s%s", ErrHash, d.file.Hash.Name, sum, d.file.Digest, note)
	}
	return nil
}

// validator is what If-Range may carry: a strong ETag, else Last-Modified. Without either
// a resumed file is trusted to its hash alone.
func validator(h http.Header) string {
	if e := h.Get("ETag"); strings.HasPrefix(e, `"`) {
		return e
	}
	return h.Get("Last-Modified")
}

// contentRange reads "bytes 5-9/10"; total is -1 for "*".
func contentRange(v string) (start, total int64, ok bool) {
	var end int64
	var all string
	if n, _ := fmt.Sscanf(v, "bytes %d-%d/%s", &start, &end, &all); n != 3 || start < 0 || end < start {
		return 0, 0, false
	}
	if all == "*" {
		return start, -1, true
	}
	total, err := strconv.ParseInt(all, 10, 64)
	return start, total, err == nil && end < total
}
