package pypitest

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	typeJSON = "application/vnd.pypi.simple.v1+json"
	typeHTML = "text/html; charset=utf-8"
)

// handle logs the request, applies a fault, else answers.
func (s *Index) handle(w http.ResponseWriter, r *http.Request) {
	entry := &Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header.Clone(), Status: http.StatusOK}
	s.mu.Lock()
	s.log = append(s.log, entry)
	s.active++
	fault := s.faults[r.URL.Path].take()
	s.mu.Unlock()
	out := &counter{ResponseWriter: w, server: s, entry: entry}
	defer func() {
		s.mu.Lock()
		s.active--
		if s.active == 0 {
			s.idle.Broadcast()
		}
		s.mu.Unlock()
	}()
	if s.options.User != "" {
		user, password, _ := r.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(user+"\x00"+password), []byte(s.options.User+"\x00"+s.options.Password)) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="index"`)
			http.Error(out, "who are you", http.StatusUnauthorized)
			return
		}
	}
	if fault != nil {
		fault.serve(out, r, s.serve)
		return
	}
	s.serve(out, r)
}

func (s *Index) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f := s.files[r.URL.Path]
	of := s.files[strings.TrimSuffix(r.URL.Path, ".metadata")]
	project, isPage := strings.CutPrefix(r.URL.Path, "/simple/")
	files, known := s.projects[strings.TrimSuffix(project, "/")]
	files = slices.Clone(files)
	s.mu.Unlock()
	switch {
	case f != nil:
		s.content(w, r, f.Data, "application/octet-stream", "max-age=365000000, immutable, public")
	case of != nil && len(of.Metadata) > 0:
		s.content(w, r, of.Metadata, "application/octet-stream", "max-age=365000000, immutable, public")
	case isPage && known && !strings.HasSuffix(project, "/"):
		http.Redirect(w, r, r.URL.Path+"/", http.StatusMovedPermanently)
	case isPage && known:
		project = strings.TrimSuffix(project, "/")
		if s.options.JSONOnly || !s.options.HTMLOnly && strings.Contains(r.Header.Get("Accept"), typeJSON) {
			s.content(w, r, s.json(project, files), typeJSON, "max-age=600, public")
		} else {
			s.content(w, r, s.html(project, files), typeHTML, "max-age=600, public")
		}
	default:
		http.NotFound(w, r)
	}
}

func (s *Index) content(w http.ResponseWriter, r *http.Request, b []byte, kind, cache string) {
	h := w.Header()
	h.Set("Content-Type", kind)
	if !s.options.Mirror {
		h.Set("Cache-Control", cache)
	}
	if !s.options.Mirror {
		h.Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(append([]byte(kind), b...)))[:34]+`"`)
	}
	if s.options.Gzip && !strings.HasPrefix(kind, "application/octet") && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		h.Set("Vary", "Accept, Accept-Encoding")
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write(b)
		z.Close()
		b = packed.Bytes()
	}
	if s.options.NoRange {
		r = r.Clone(r.Context())
		r.Header.Del("Range")
	}
	// ServeContent leaves the length out for encoded bodies; that is fine.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
}

func (s *Index) json(project string, files []*Artifact) []byte {
	list := []map[string]any{}
	versions := []string{}
	for _, f := range files {
		m := map[string]any{"filename": f.Name, "url": f.Href, "hashes": map[string]string{}}
		if !s.options.NoHash {
			m["hashes"] = map[string]string{"sha256": f.SHA256}
		}
		if !s.options.NoSize {
			m["size"] = f.Size
		}
		if f.RequiresPython != "" {
			m["requires-python"] = f.RequiresPython
		}
		if f.Yanked == " " {
			m["yanked"] = true
		} else if f.Yanked != "" {
			m["yanked"] = f.Yanked
		}
		if !f.UploadTime.IsZero() {
			m["upload-time"] = f.UploadTime.UTC().Format("2006-01-02T15:04:05.000000Z")
		}
		if len(f.Metadata) > 0 && !s.options.Mirror {
			// Not dist-info-metadata: pip 22.3 to 23.1 break over an object there (PEP 714).
			m["core-metadata"] = map[string]string{"sha256": fmt.Sprintf("%x", sha256.Sum256(f.Metadata))}
			if s.options.UnhashedMetadata {
				m["core-metadata"] = true
			}
		}
		list = append(list, m)
		if parts := strings.Split(f.Name, "-"); len(parts) > 1 && !slices.Contains(versions, parts[1]) {
			versions = append(versions, parts[1])
		}
	}
	b, _ := json.Marshal(map[string]any{
		"meta": map[string]string{"api-version": "1.1"}, "name": project, "versions": versions, "files": list,
	})
	return b
}

func (s *Index) html(project string, files []*Artifact) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html>\n<head><title>Links for %s</title></head>\n<body>\n<h1>Links for %[1]s</h1>\n", project)
	for _, f := range files {
		href := f.Href
		if !s.options.NoHash {
			href += "#sha256=" + f.SHA256
		}
		fmt.Fprintf(&b, `<a href="%s"`, html.EscapeString(href))
		if f.RequiresPython != "" {
			fmt.Fprintf(&b, ` data-requires-python="%s"`, html.EscapeString(f.RequiresPython))
		}
		if f.Yanked != "" {
			fmt.Fprintf(&b, ` data-yanked="%s"`, html.EscapeString(strings.TrimSpace(f.Yanked)))
		}
		if !f.UploadTime.IsZero() {
			fmt.Fprintf(&b, ` data-upload-time="%s"`, f.UploadTime.UTC().Format("2006-01-02T15:04:05.000000Z"))
		}
		if len(f.Metadata) > 0 && !s.options.Mirror {
			sum := fmt.Sprintf("sha256=%x", sha256.Sum256(f.Metadata))
			if s.options.UnhashedMetadata {
				sum = "true"
			}
			fmt.Fprintf(&b, ` data-core-metadata="%s" data-dist-info-metadata="%[1]s"`, sum)
		}
		fmt.Fprintf(&b, ">%s</a><br/>\n", html.EscapeString(f.Name))
	}
	b.WriteString("</body>\n</html>\n")
	return b.Bytes()
}

// wheelMetadata finds METADATA in a wheel; nil if data is no wheel.
func wheelMetadata(data []byte) []byte {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil
	}
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, ".dist-info/METADATA") && strings.Count(f.Name, "/") == 1 {
			r, err := f.Open()
			if err != nil {
				return nil
			}
			defer r.Close()
			b, err := io.ReadAll(io.LimitReader(r, 16<<20))
			if err != nil {
				return nil
			}
			return b
		}
	}
	return nil
}

// counter fills in what was sent.
type counter struct {
	http.ResponseWriter
	server *Index
	entry  *Request
}

func (c *counter) WriteHeader(status int) {
	c.server.mu.Lock()
	c.entry.Status = status
	c.server.mu.Unlock()
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.server.mu.Lock()
	c.entry.Bytes += int64(n)
	c.server.mu.Unlock()
	return n, err
}

func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// quiet keeps expected TLS and connection complaints out of the test's output.
func quiet(testing.TB) *log.Logger { return log.New(io.Discard, "", 0) }
