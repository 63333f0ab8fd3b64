package pypi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/builder/pypi/wheel"
	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// pageSource is what a plan asks of an index: the client, or for a simulation
// something that knows a few projects and guesses the rest.
type pageSource interface {
	Project(context.Context, string) (*index.Project, error)
	Size(context.Context, index.File) (int64, error)
	Requires(context.Context, index.File) ([]string, error) // of the METADATA beside a wheel
}

// asking is a client of the index, for what artifacts need.
type asking struct{ *index.Client }

func (s asking) Requires(ctx context.Context, f index.File) ([]string, error) {
	raw, err := s.FetchMetadata(ctx, f)
	if err != nil {
		return nil, err
	}
	return wheel.ParseMetadata(raw).RequiresDist, nil
}

// requirement is one Requires-Dist line.
type requirement struct {
	pep508.Requirement
	project string
}

// demand is a question: what does wheel who need for target because of the
// requirements of wheel of (itself, or one it needs with extras)?
type demand struct {
	who, target, of int
	extras          string // joined by commas
}

// wanted is a requirement without its marker.
type wanted struct {
	project string
	specs   string
	target  int
}

// Bounds on what hostile metadata can make a plan ask.
const (
	maxRequires   = 500 // lines of one wheel; the largest real ones have about 300
	maxDemands    = 2_000_000
	maxSilent     = 20 // wheels without metadata before an index is not asked any more
	maxUnanswered = 20 // metadata that did not come, before the index counts as down
	needsAtOnce   = 16
	needsByOrder  = 8 // rounds of fetching wheels only to know what they need
)

// demand queues a question once. The caller holds mu.
func (s *planner) demand(d demand) {
	key := fmt.Sprintf("%d %d %d %s", d.who, d.target, d.of, d.extras)
	if !s.seen[key] && len(s.seen) < maxDemands {
		s.seen[key] = true
		s.demands = append(s.demands, d)
	}
}

// spread answers the demands until there are none but those of wheels whose
// requirements cannot be known yet.
func (s *planner) spread(ctx context.Context) error {
	for {
		if err := s.lookUp(ctx); err != nil {
			return err
		}
		ready, waiting := s.demands[:0:0], s.demands[:0:0]
		for _, d := range s.demands {
			if s.options[d.of].known {
				ready = append(ready, d)
			} else {
				waiting = append(waiting, d)
			}
		}
		if len(ready) == 0 {
			return nil
		}
		s.demands = waiting
		if err := s.answer(ctx, ready); err != nil {
			return err
		}
	}
}

// holds says whether a requirement counts for an environment with these extras;
// with extras, only what they add.
func (r requirement) holds(env map[string]string, extras string) bool {
	plain, err := r.Marker.Evaluate(env)
	if err != nil {
		plain = false // undefined: pip would not install the wheel at all
	}
	if extras == "" {
		return plain
	}
	with, err := r.Marker.Evaluate(env, strings.Split(extras, ",")...)
	return err == nil && with && !plain
}

// edge is a requirement that counts.
type edge struct {
	demand
	wanted
	specs        pep440.Specifiers
	wantedExtras string // of what is wanted, joined by commas
}

// answer turns requirements into needs, asking each project's page at most once.
func (s *planner) answer(ctx context.Context, ready []demand) error {
	var edges []edge
	for _, d := range ready {
		env := s.targets[d.target].Markers
		for _, r := range s.options[d.of].requires {
			if r.holds(env, d.extras) {
				edges = append(edges, edge{d, wanted{r.project, r.Specifiers.String(), d.target}, r.Specifiers, r.extras()})
			}
		}
	}
	if err := s.askPages(ctx, s.unanswerable(edges)); err != nil {
		return err
	}
	for _, e := range edges {
		at := s.answers[e.wanted]
		if at < 0 || at == e.who {
			continue
		}
		who, got := s.options[e.who], s.options[at]
		if !slices.Contains(who.needs, at) {
			who.needs = append(who.needs, at)
		}
		if by := who.picks[0].Project; got.neededBy == "" || by < got.neededBy {
			got.neededBy = by
		}
		s.demand(demand{at, e.wanted.target, at, ""})
		if e.wantedExtras != "" {
			s.demand(demand{e.who, e.wanted.target, at, e.wantedExtras})
		}
	}
	return nil
}

// extras are those that a requirement asks for, joined by commas.
func (r requirement) extras() string {
	extras := slices.Clone(r.Extras)
	for i := range extras {
		extras[i] = pep508.Normalize(extras[i])
	}
	slices.Sort(extras)
	return strings.Join(slices.Compact(extras), ",")
}

// unanswerable are the edges, by project, that no page read so far answers.
func (s *planner) unanswerable(edges []edge) map[string][]edge {
	ask := map[string][]edge{}
	for _, e := range edges {
		if _, known := s.answers[e.wanted]; known {
			continue
		}
		project := e.wanted.project
		if c, ok := s.newest[projectTarget{project, e.wanted.target}]; ok && e.specs.Contains(c.version, false) {
			s.answers[e.wanted] = s.candidate(c, e.wanted.target)
			continue
		}
		s.answers[e.wanted] = -1 // until its page says otherwise
		if s.ranked.Excluded != nil && s.ranked.Excluded(project) {
			continue
		}
		if ask[project] == nil {
			if s.unranked++; s.unranked > s.maxUnranked() {
				continue
			}
		}
		ask[project] = append(ask[project], e)
	}
	return ask
}

// maxUnranked bounds the pages read only for what wheels say they need: hostile
// metadata could name the whole index. Of real rankings, half as many as it has
// projects are enough.
func (s *planner) maxUnranked() int { return 2*len(s.ranked.Projects) + 2000 }

// askPages reads the pages of projects that are needed and chooses from them.
func (s *planner) askPages(ctx context.Context, ask map[string][]edge) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(s.cfg.Jobs, needsAtOnce))
	for project, edges := range ask {
		g.Go(func() error {
			page, err := s.pages.Project(gctx, project)
			if gctx.Err() != nil {
				return gctx.Err()
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			if errors.Is(err, index.ErrUnreachable) {
				if s.unanswered++; s.unanswered > maxUnanswered {
					return builder.Unreachable(err)
				}
			}
			if err != nil {
				return nil // nothing meets it; what needs it is stocked all the same
			}
			for _, e := range edges {
				t := s.targets[e.wanted.target]
				all, err := releases(page.Files, project, t.Tag, t.Python, nil)
				if err != nil {
					continue
				}
				s.newest[projectTarget{project, e.wanted.target}] = all[0]
				if at := slices.IndexFunc(all, func(c candidate) bool { return e.specs.Contains(c.version, false) }); at >= 0 {
					s.answers[e.wanted] = s.candidate(all[at], e.wanted.target)
				}
			}
			return nil
		})
	}
	return g.Wait()
}
