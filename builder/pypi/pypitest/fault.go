package pypitest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"
)

// Fault is how a path misbehaves. Fields combine where that makes sense.
type Fault struct {
	// Times is for how many requests it holds, the ones before After not
	// counted; 0 is for ever.
	Times int
	After int // how many requests are answered well first

	Status      int    // this status instead of the content
	RetryAfter  string // header, with Status
	ContentType string // another content type
	Body        string // another body
	Encoding    string // a Content-Encoding that is claimed, not applied
	Redirect    string // 302 to here, whatever it is
	Hang        bool   // no answer at all
	Cut         bool   // close the connection after CutAfter bytes of the body
	CutAfter    int64
	NoLength    bool // no Content-Length, and the end is the end of the connection
	Drip        time.Duration
	Flip        bool   // one byte of the body changed
	Pad         int64  // at least so many bytes more, as links or spaces
	Range       string // with BadRange: this Content-Range in a 206
	BadRange    bool
	Replace     []byte // other content, served well (with ranges, and an ETag of its own)

	Then *Fault // what holds after Times
}

// take counts a request; nil means answer well. The caller holds the lock.
func (f *Fault) take() *Fault {
	switch {
	case f == nil:
		return nil
	case f.After > 0:
		f.After--
		return nil
	case f.Times < 0:
		return f.Then.take()
	case f.Times == 1:
		f.Times = -1
	case f.Times > 1:
		f.Times--
	}
	out := *f
	return &out
}

func (f *Fault) serve(w http.ResponseWriter, r *http.Request, good http.HandlerFunc) {
	if f.Hang {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Redirect != "" {
		w.Header()["Location"] = []string{f.Redirect}
		w.WriteHeader(http.StatusFound)
		return
	}
	was := httptest.NewRecorder()
	if f.Status != 0 {
		http.Error(was, f.Body, f.Status)
	} else if f.Replace != nil {
		was.Header().Set("ETag", `"replaced"`)
		http.ServeContent(was, r, "", time.Time{}, bytes.NewReader(f.Replace))
	} else {
		good(was, r)
	}
	body := was.Body.Bytes()
	h := w.Header()
	for k, v := range was.Header() {
		h[k] = v
	}
	if f.Body != "" && f.Status == 0 {
		body = []byte(f.Body)
		h.Del("Content-Encoding")
	}
	if f.ContentType != "" {
		h.Set("Content-Type", f.ContentType)
	}
	if f.Encoding != "" {
		h.Set("Content-Encoding", f.Encoding)
	}
	if f.BadRange && was.Code == http.StatusPartialContent {
		h.Set("Content-Range", f.Range)
	}
	if f.Flip && len(body) > 0 {
		body = bytes.Clone(body)
		body[len(body)/2] ^= 1
	}
	if f.Pad > 0 {
		body = padded(body, f.Pad)
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(was.Code)
		return
	}
	if was.Code == http.StatusNotModified || was.Code == http.StatusNoContent {
		w.WriteHeader(was.Code)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if f.NoLength {
		f.raw(w, body)
		return
	}
	w.WriteHeader(was.Code)
	if f.Cut && f.CutAfter < int64(len(body)) {
		body = body[:f.CutAfter]
	}
	if f.Drip == 0 {
		w.Write(body)
	}
	for i := 0; f.Drip > 0 && i < len(body); i++ {
		if _, err := w.Write(body[i : i+1]); err != nil || http.NewResponseController(w).Flush() != nil {
			break
		}
		select {
		case <-time.After(f.Drip):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if f.Cut {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// raw answers as HTTP/1.0 did: the length is what comes before the end.
func (f *Fault) raw(w http.ResponseWriter, body []byte) {
	h := w.Header().Clone()
	h.Del("Content-Length")
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\n")
	h.Write(conn)
	fmt.Fprint(conn, "\r\n")
	if f.Cut && f.CutAfter < int64(len(body)) {
		body = body[:f.CutAfter]
	}
	conn.Write(body)
}

// padded makes a page longer and leaves it well-formed.
func padded(body []byte, n int64) []byte {
	if bytes.HasPrefix(body, []byte("{")) {
		return append(bytes.Clone(body), bytes.Repeat([]byte(" "), int(n))...)
	}
	link := `<a href="/files/x/filler-1.0-py3-none-any.whl#sha256=` + strings.Repeat("0", 64) + `">filler</a><br/>` + "\n"
	head, tail, _ := bytes.Cut(body, []byte("</body>"))
	out := append(bytes.Clone(head), bytes.Repeat([]byte(link), int(n)/len(link)+1)...)
	return append(append(out, "</body>"...), tail...)
}
