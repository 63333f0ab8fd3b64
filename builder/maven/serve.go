package maven

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/maven/repository"
	"larder/snapshot"
	"larder/snapshot/maven"
)

// server is the repository that a project's build sees.
type server struct {
	*world
	ctx   context.Context
	fetch func(context.Context, builder.Artifact) (snapshot.Object, int64, error)

	mu      sync.Mutex
	files   map[string]*file // by path: releases that were asked for
	leftOut map[string]bool
	failed  error // the first that is no answer to Maven, but the end of the build
}

// file is a release's file that was asked for.
type file struct {
	maven.File
	once sync.Once
	taken
	err error // ErrNotFound: there is none
}

// ServeHTTP answers in the layout of a repository. What is no file of a release has no say in what is stocked.
func (s *server) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(req.URL.Path, "/")
	if strings.HasPrefix(path.Base(name), "maven-metadata") {
		s.pass(w, name)
		return
	}
	plain, algorithm := name, ""
	for _, a := range maven.Algorithms() {
		if below, is := strings.CutSuffix(name, "."+a); is {
			plain, algorithm = below, a
		}
	}
	f, err := maven.ParsePath(plain)
	switch {
	case err != nil, strings.HasSuffix(plain, ".md5"), strings.HasSuffix(plain, ".asc"):
		http.NotFound(w, req) // an MD5 does not count, a signature nobody checks
	case f.Snapshot():
		s.leave(f.Project() + ":" + f.Version + " (a version in the making)")
		s.pass(w, name)
	default:
		s.release(w, req, f, algorithm)
	}
}

// fail notes why the build cannot go on.
func (s *server) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil && s.ctx.Err() == nil {
		s.failed = err
	}
}

func (s *server) leave(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leftOut[what] = true
}

// pass hands over what the repository says, for this one time. That it says nothing is for Maven to judge: it asks
// for many things that need not be.
func (s *server) pass(w http.ResponseWriter, name string) {
	err := error(errNoClient)
	var text []byte
	if s.client != nil && path.Clean("/"+name) == "/"+name {
		text, err = s.client.Get(s.ctx, name)
	}
	switch {
	case errors.Is(err, repository.ErrNotFound), errors.Is(err, repository.ErrRefused):
		http.Error(w, "not there", http.StatusNotFound)
	case err != nil:
		http.Error(w, "the repository does not answer", http.StatusBadGateway)
	default:
		w.Write(text) // whoever asked may be gone
	}
}

// release hands over a file of a release, or a checksum of it.
func (s *server) release(w http.ResponseWriter, req *http.Request, f maven.File, algorithm string) {
	got := s.get(f)
	switch {
	case errors.Is(got.err, repository.ErrNotFound):
		http.NotFound(w, req)
		return
	case got.err != nil:
		s.fail(got.err)
		http.Error(w, "the build ends: larder says why", http.StatusBadGateway)
		return
	}
	r, err := s.stage.Open(got.object)
	if err != nil {
		s.fail(err)
		http.Error(w, "the store cannot be read", http.StatusInternalServerError)
		return
	}
	defer r.Close()
	if algorithm == "" {
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeContent(w, req, "", time.Unix(snapshot.Epoch, 0), r)
		return
	}
	h := maven.NewHash(algorithm)
	if _, err := io.Copy(h, r); err != nil {
		s.fail(err)
		return
	}
	fmt.Fprintln(w, hex.EncodeToString(h.Sum(nil)))
}

// get brings a file into the pool, once.
func (s *server) get(f maven.File) *file {
	s.mu.Lock()
	got := s.files[f.Path()]
	if got == nil {
		got = &file{File: f}
		s.files[f.Path()] = got
	}
	s.mu.Unlock()
	got.once.Do(func() { got.taken, got.err = s.bring(f) })
	return got
}

func (s *server) bring(f maven.File) (t taken, err error) {
	if t, ok, err := s.stocked(f); ok || err != nil {
		if ok {
			s.take(f, t)
		}
		return t, err
	}
	if s.client == nil {
		return t, errNoClient
	}
	name := f.Path()
	sum, err := s.client.Checksum(s.ctx, name)
	if errors.Is(err, repository.ErrNoChecksum) {
		return t, s.without(s.ctx, f, err)
	}
	if err != nil {
		return t, advised(silence(err))
	}
	t = taken{size: -1, sum: sum, url: s.client.URL(name)}
	if t.object, t.size, err = s.fetch(s.ctx, s.artifact(f, t)); err != nil {
		return t, advised(err)
	}
	s.take(f, t)
	return t, nil
}

// advised says what to do about a file that is not what its repository says.
func advised(err error) error {
	var e *fetch.Error
	if errors.As(err, &e) && e.Next == "" && (errors.Is(err, repository.ErrHash) || errors.Is(err, repository.ErrRefused)) {
		return builder.WithHint(err, "ask whoever runs the repository, or configure another mirror")
	}
	return err
}

// without is what there is to say of a file without a checksum: that it is not there, or that it is refused.
func (w *world) without(ctx context.Context, f maven.File, err error) error {
	has, herr := w.client.Has(ctx, f.Path())
	switch {
	case herr != nil:
		return silence(herr)
	case !has:
		return err // ErrNotFound, too
	}
	return builder.WithHint(fmt.Errorf("%w: the repository has %s and %w (%s)", builder.ErrRefused, f.Path(), repository.ErrNoChecksum, strings.Join(maven.Algorithms(), ", ")),
		"ask whoever runs the repository for checksums, or configure a mirror that has them")
}
