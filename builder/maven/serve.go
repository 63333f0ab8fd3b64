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
	fetch func(context.Context, builder.Artifact) (snapshot.Object, int64, error)

	mu      sync.Mutex
	files   map[string]*file // by path: releases that were asked for
	leftOut map[string]bool
	indexes map[string]bool // of versions: those that were asked for, and there
	failed  error           // the first that is no answer to Maven, but the end of the build
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
		dir := path.Dir(name)
		if s.pass(w, req, name) && path.Base(name) == "maven-metadata.xml" && !strings.HasSuffix(dir, "-SNAPSHOT") { // which is named anyway
			s.note(s.indexes, strings.ReplaceAll(path.Dir(dir), "/", ".")+":"+path.Base(dir))
		}
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
		s.note(s.leftOut, f.Project()+":"+f.Version+" (a version in the making)")
		s.pass(w, req, name)
	default:
		s.release(w, req, f, algorithm)
	}
}

// fail notes why the build cannot go on. A request that ended with the build is no reason.
func (s *server) fail(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil && ctx.Err() == nil {
		s.failed = err
	}
}

func (s *server) note(where map[string]bool, what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	where[what] = true
}

// pass hands over what the repository says, for this one time. That it says nothing is for Maven to judge: it asks
// for many things that need not be. It says whether there is something.
func (s *server) pass(w http.ResponseWriter, req *http.Request, name string) bool {
	err := error(errNoClient)
	var text []byte
	if s.client != nil && path.Clean("/"+name) == "/"+name {
		text, err = s.client.Get(req.Context(), name)
	}
	switch {
	case errors.Is(err, repository.ErrNotFound), errors.Is(err, repository.ErrRefused):
		http.Error(w, "not there", http.StatusNotFound)
	case err != nil:
		http.Error(w, "the repository does not answer", http.StatusBadGateway)
	default:
		w.Write(text) // whoever asked may be gone
	}
	return err == nil
}

// release hands over a file of a release, or a checksum of it.
func (s *server) release(w http.ResponseWriter, req *http.Request, f maven.File, algorithm string) {
	got := s.get(req.Context(), f)
	switch {
	case errors.Is(got.err, repository.ErrNotFound):
		http.NotFound(w, req)
		return
	case got.err != nil:
		s.fail(req.Context(), got.err)
		http.Error(w, "the build ends: larder says why", http.StatusBadGateway)
		return
	}
	r, err := s.stage.Open(got.object)
	if err != nil {
		s.fail(req.Context(), err)
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
		s.fail(req.Context(), err)
		return
	}
	fmt.Fprintln(w, hex.EncodeToString(h.Sum(nil)))
}

// get brings a file into the pool, once, for all who ask: the contexts of requests end with the build.
func (s *server) get(ctx context.Context, f maven.File) *file {
	s.mu.Lock()
	got := s.files[f.Path()]
	if got == nil {
		got = &file{File: f}
		s.files[f.Path()] = got
	}
	s.mu.Unlock()
	got.once.Do(func() {
		if got.err = s.revoked(f, taken{}); got.err == nil {
			got.taken, got.err = s.bring(ctx, f)
		}
		if got.err == nil {
			got.err = s.revoked(f, got.taken)
		}
	})
	return got
}

// revoked refuses what nobody is to have: a plugin is run when it is handed over.
func (s *server) revoked(f maven.File, t taken) error {
	err := s.cfg.Revoked(maven.Name, s.artifact(f, t))
	if err == nil {
		return nil
	}
	return builder.WithHint(fmt.Errorf("%w: it asks for %s of %s, which is %w", builder.ErrRefused, f.Name, snapshot.PackageURL(maven.Name, maven.Package(f.Project()), f.Version), err),
		"have it ask for another version: a project is stocked whole or not at all")
}

func (s *server) bring(ctx context.Context, f maven.File) (t taken, err error) {
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
	sum, err := s.client.Checksum(ctx, name)
	if errors.Is(err, repository.ErrNoChecksum) {
		return t, s.without(ctx, f, err)
	}
	if err != nil {
		return t, advised(silence(err))
	}
	t = taken{size: -1, sum: sum, url: s.client.URL(name)}
	if t.object, t.size, err = s.fetch(ctx, s.artifact(f, t)); err != nil {
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
