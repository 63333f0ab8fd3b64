package resolve

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// gate lets requests of the sandbox through to a repository, and of those only what Maven would ask.
type gate struct {
	repository http.Handler
	left       atomic.Int64
	most       int64                   // connections
	end        context.CancelCauseFunc // of the build
	mu         sync.RWMutex            // held to read by each answer
	over       bool
}

// The most that are under way at once. Maven 4 leaves connections open until its memory is looked through: 67
// where 3 has 5, of a small project.
const maxConnections, maxAsking = 2048, 16

func newGate(repository http.Handler, requests int, end context.CancelCauseFunc) *gate {
	g := &gate{repository: repository, end: end, most: maxConnections}
	g.left.Store(int64(requests))
	return g
}

// serve answers until the listener is closed, and until no answer is under way.
func (g *gate) serve(ctx context.Context, l net.Listener) {
	ctx, cancel := context.WithCancel(ctx)
	slots := make(chan struct{}, maxAsking)
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			g.mu.RLock()
			defer g.mu.RUnlock()
			if g.over {
				return
			}
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
				g.answer(ctx, w, r)
			case <-ctx.Done():
			}
		}),
		ReadHeaderTimeout: 30 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: log.New(io.Discard, "", 0), DisableGeneralOptionsHandler: true,
	}
	_ = server.Serve(&bounded{Listener: l, gate: g})
	cancel()
	server.Close()
	g.mu.Lock()
	g.over = true
	g.mu.Unlock()
}

// bounded closes connections beyond a number. Each counts as a request.
type bounded struct {
	net.Listener
	gate *gate
	open atomic.Int64
}

func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if b.open.Add(1) <= b.gate.most {
			return &counted{Conn: c, open: &b.open}, nil
		}
		b.open.Add(-1)
		c.Close()
		b.gate.take()
	}
}

type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}

// take takes one request of those that are left, or ends the build.
func (g *gate) take() bool {
	if g.left.Add(-1) >= 0 {
		return true
	}
	g.end(fail(Limit, "its build asked for more files than any needs"))
	return false
}

// plain are paths of repositories.
var plain = regexp.MustCompile(`^(/[A-Za-z0-9_+~.-]+)+$`)

const maxPath = 1 << 10

func (g *gate) answer(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "read only", http.StatusMethodNotAllowed)
		return
	case len(name) > maxPath || !plain.MatchString(name) || strings.Contains(name+"/", "/./") || strings.Contains(name+"/", "/../") || r.URL.RawQuery != "":
		http.Error(w, "no path of a repository", http.StatusNotFound)
		return
	case !g.take():
		return
	}
	ask, err := http.NewRequestWithContext(ctx, r.Method, name, nil)
	if err != nil {
		http.Error(w, "no path of a repository", http.StatusNotFound)
		return
	}
	g.repository.ServeHTTP(w, ask)
}
