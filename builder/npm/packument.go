package npm

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"

	"larder/builder"
	"larder/builder/npm/registry"
	"larder/snapshot"
	"larder/snapshot/npm"
)

// packumentEntries are what a registry said of an item's package in npm's cache. It is said to have come long
// ago: so npm, which may use it as long as the registry said from then on, asks whether it still is right, and
// a snapshot is the same whenever it was made.
func packumentEntries(it *builder.Item) []builder.ViewEntry {
	var detail npm.Tarball
	if json.Unmarshal(it.Detail, &detail) != nil || detail.Packument == nil {
		return nil
	}
	p := detail.Packument
	sums, err := npm.ParseIntegrity(p.Integrity)
	if err != nil {
		return nil
	}
	says := headers{"content-type": p.Type, "date": date.Format(http.TimeFormat),
		"etag": p.ETag, "last-modified": p.LastModified, "cache-control": p.CacheControl, "vary": p.Vary}
	maps.DeleteFunc(says, func(_, text string) bool { return text == "" })
	// Who asks for less takes all as well. `npm cache verify` keeps the last, by which npm installs.
	asked := []headers{{"accept": registry.AcceptInstall}, {"accept": registry.AcceptAll}}
	path, lines := indexEntry(p.URL, sums[0], p.Size, asked, says)
	return []builder.ViewEntry{{Path: contentPath(sums[0]), Object: p.Object(), Size: p.Size}, {Path: path, Bytes: lines}}
}

// packuments are what registries said in this build, by package.
type packuments struct {
	stage  *snapshot.Stage
	asking singleflight.Group
	warned sync.Map // packages of which something was damaged

	mu  sync.Mutex
	all map[string]answered
}

// answered is a registry's answer in the pool.
type answered struct {
	*npm.Packument
	fetched int64
	err     error // why the view cannot have it
}

// keep takes an answer into the pool. It has the bytes that npm would have, and hash.
func (p *packuments) keep(said registry.Packument, body io.Reader) error {
	a := answered{fetched: said.Fetched}
	if said.Unkept != "" {
		a.err = errors.New(said.Unkept)
	} else {
		sum := sha512.New()
		o, size, err := p.stage.Put(io.TeeReader(body, sum), false)
		if err != nil {
			return err
		}
		integrity, err := npm.SumOf(hex.EncodeToString(sum.Sum(nil)))
		if err != nil {
			return err
		}
		a.Packument = &npm.Packument{SHA256: o.Digest, Size: size, Integrity: integrity.String(), URL: said.URL,
			Type: said.Type, ETag: said.ETag, LastModified: said.LastModified, CacheControl: said.CacheControl, Vary: said.Vary}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[said.Package] = a
	return nil
}

func (p *packuments) of(pkg string) (answered, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.all[pkg]
	return a, ok
}

// packument is what the registry says now of a package, which is asked once in a build.
func (w *world) packument(ctx context.Context, pkg string) (answered, error) {
	a, err, _ := w.packuments.asking.Do(pkg, func() (any, error) {
		if a, ok := w.packuments.of(pkg); ok {
			return a, nil
		}
		if w.client == nil {
			return answered{}, errNoClient
		}
		if _, _, err := w.client.Releases(ctx, pkg, nil); err != nil {
			return answered{}, silence(err)
		}
		a, _ := w.packuments.of(pkg)
		return a, nil
	})
	return a.(answered), err
}

// whole is a packument of a snapshot as far as this build wants it, and the pool has it; else nil.
func (w *world) whole(p *npm.Packument) *npm.Packument {
	if p == nil || w.packuments == nil || w.stage.Reuse(p.Object(), p.Size) != nil {
		return nil
	}
	return p
}

// again is whole once the registry was asked for what the pool has not: it may still say the same.
func (w *world) again(ctx context.Context, project string, p *npm.Packument) (*npm.Packument, error) {
	if p == nil || w.packuments == nil || w.whole(p) != nil {
		return w.whole(p), nil
	}
	pkg := npm.Package(project)
	a, err := w.packument(ctx, pkg)
	switch {
	case ctx.Err() != nil || builder.HostFault(err):
		return nil, err
	case err == nil && a.Packument != nil && a.SHA256 == p.SHA256:
		return p, nil
	case err == nil:
		err = errors.New("the registry says something else by now")
	}
	if _, said := w.packuments.warned.LoadOrStore(pkg, true); !said {
		w.cfg.Warn(fmt.Sprintf("what the registry said of %s, in view %s, is damaged and cannot be had again: %v", pkg, npm.ViewPackuments, err))
	}
	return nil, nil
}

// Answers implements builder.Answerer.
func (w *world) Answers(ctx context.Context, items []*builder.Item) (*builder.AnswersReport, error) {
	if w.packuments == nil {
		return nil, nil
	}
	of := map[string][]*builder.Item{}
	for _, it := range items {
		if it.URL != "" {
			of[it.Project] = append(of[it.Project], it)
		}
	}
	t := tally{report: &builder.AnswersReport{View: npm.ViewPackuments}, missing: map[string]error{}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(w.cfg.Jobs, 1))
	for project, items := range of {
		g.Go(func() error {
			a, err := w.packument(ctx, npm.Package(project))
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case builder.HostFault(err):
				return err
			case err == nil:
				err = a.err
			}
			return t.note(items, a, err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	t.tell(w.cfg.Warn)
	return t.report, nil
}

// tally counts what became of packages.
type tally struct {
	mu          sync.Mutex
	report      *builder.AnswersReport
	missing     map[string]error // by package
	old         int              // of the snapshot before, as no registry answers
	why         error
	unvalidated int
}

// note gives items of one package what the registry said, or what it said before if now it says nothing.
func (t *tally) note(items []*builder.Item, a answered, err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.Projects++
	if a.fetched > 0 {
		t.report.Fetched++
		t.report.FetchedBytes += a.fetched
	}
	details := make([]npm.Tarball, len(items))
	for i, it := range items {
		if err := json.Unmarshal(it.Detail, &details[i]); err != nil {
			return err
		}
		if errors.Is(err, builder.ErrUnreachable) && a.Packument == nil {
			a.Packument = details[i].Packument
		}
	}
	switch p := a.Packument; {
	case p == nil:
		t.missing[npm.Package(items[0].Project)] = err
		t.report.Missing++
	default:
		if err != nil {
			t.old, t.why = t.old+1, err
		}
		if p.ETag == "" && p.LastModified == "" {
			t.unvalidated++
		}
		t.report.Bytes += p.Size
	}
	for i, it := range items {
		details[i].Packument = a.Packument
		it.Detail = details[i].Detail()
	}
	return nil
}

// tell says in a line each what people would not expect.
func (t *tally) tell(warn func(string)) {
	const at = "view " + npm.ViewPackuments
	if n := len(t.missing); n > 0 {
		names := slices.Sorted(maps.Keys(t.missing))
		var parts []string
		for _, name := range names[:min(n, 3)] {
			parts = append(parts, fmt.Sprintf("%s (%v)", name, t.missing[name]))
		}
		if n > 3 {
			parts = append(parts, fmt.Sprintf("and %d more", n-3))
		}
		warn(fmt.Sprintf("%s is without %d of %d packages: %s", at, n, t.report.Projects, strings.Join(parts, ", ")))
	}
	if t.old > 0 {
		warn(fmt.Sprintf("%s has of %d packages what the registry said before: %v", at, t.old, t.why))
	}
	if t.unvalidated > 0 {
		warn(fmt.Sprintf("%s: of %d packages the registry says neither an ETag nor a Last-Modified: npm uses them with --prefer-offline and --offline, and else fetches them again", at, t.unvalidated))
	}
}
