package sources

import (
	"context"
	"errors"
	"fmt"
	"time"

	"larder/popularity"
	"larder/popularity/misses"
	"larder/snapshot/pypi"
)

// Source is one source of a blend: exactly one of Months, ClickHouse and Misses
// is set.
type Source struct {
	Name       string  // in messages and places; empty: by what it is
	Weight     float64 // see popularity.Part
	Months     []string
	ClickHouse *ClickHouse
	Misses     string // directory of the host's own misses
}

// Blend is everything a ranking is made of. The zero value is the starter ranking of PyPI, and of other ecosystems nothing.
type Blend struct {
	Sources []Source
	Rules   popularity.Rules
	// OnlyMisses wants to see the misses, not to plan from them: the starter
	// ranking does not stand in, and there may be none at all.
	OnlyMisses bool
}

func (s Source) name() string {
	switch {
	case s.Name != "":
		return s.Name
	case s.Misses != "":
		return popularity.Misses
	case s.ClickHouse != nil:
		return "clickhouse"
	case len(s.Months) == 1:
		return credentialFree(s.Months[0])
	}
	return "rankings"
}

// Gather loads every source and blends them, of the ecosystem of opts.
//
// A source that fails is named in a warning and the others go on. Misses alone
// are no ranking, they say what the rest lacks: where no other source is
// configured, the starter ranking stands in, with a warning; for an ecosystem that has none nothing
// does, and what is empty then is a warning, too. Where every other source failed, that is the error: names nobody asked for would replace those
// of the site.
func Gather(ctx context.Context, b Blend, opts Options) (popularity.Ranking, []popularity.Warning, error) {
	var (
		parts    []popularity.Part
		warnings []popularity.Warning
		failed   error
		public   bool // a source that ranks the world answered
		wanted   bool // one is configured
	)
	for _, s := range b.Sources {
		if s.Weight == 0 {
			parts = append(parts, popularity.Part{Name: s.name()}) // all weights 0 is the blend's to refuse
			continue
		}
		wanted = wanted || s.Misses == ""
		r, w, err := s.load(ctx, opts)
		warnings = append(warnings, w...)
		if ctx.Err() != nil {
			return popularity.Ranking{}, warnings, ctx.Err()
		}
		if errors.Is(err, popularity.ErrConfig) {
			return popularity.Ranking{}, warnings, err
		}
		if err != nil {
			if failed == nil || errors.Is(err, popularity.ErrRefused) && !errors.Is(failed, popularity.ErrRefused) {
				failed = err
			}
			warnings = append(warnings, warningOf(err, s.name()))
			continue
		}
		public = public || s.Misses == ""
		parts = append(parts, popularity.Part{Name: s.name(), Weight: s.Weight, Ranking: r})
	}
	if !public && failed != nil && (wanted || errors.Is(failed, popularity.ErrRefused)) {
		return popularity.Ranking{}, withoutFailure(warnings, failed), failed
	}
	if !public && !b.OnlyMisses && opts.Of.Name == pypi.Name && (len(parts) == 0 || onlyMisses(b.Sources)) {
		starter := popularity.Starter()
		warnings = append(warnings, popularity.Warning{Source: starter.Origins[0].Source, Text: fmt.Sprintf(
			"no ranking is configured; using the %d names built in, of %s; name one with --ranking, or in the configuration",
			len(starter.Entries), starter.Origins[0].Updated.Format(time.DateOnly))})
		parts = append(parts, popularity.Part{Name: starter.Origins[0].Source, Weight: 1, Ranking: starter})
	}
	b.Rules.Of = opts.Of
	r, err := popularity.Blend(parts, b.Rules)
	switch {
	case err != nil || len(r.Entries) > 0:
	case b.OnlyMisses:
		warnings = append(warnings, popularity.Warning{Source: "misses", Text: "none that count"})
	default:
		warnings = append(warnings, popularity.Warning{Source: opts.Of.Name, Text: "no ranking is configured, and this host has missed nothing of it yet; name one with --ranking, or in the configuration"})
	}
	return r, warnings, err
}

// onlyMisses tells a blend without a source that ranks the world from one whose
// such sources are all switched off, which is a mistake to be told.
func onlyMisses(sources []Source) bool {
	for _, s := range sources {
		if s.Misses == "" {
			return false
		}
	}
	return true
}

func (s Source) load(ctx context.Context, opts Options) (popularity.Ranking, []popularity.Warning, error) {
	switch {
	case s.ClickHouse != nil:
		return s.ClickHouse.load(ctx, opts)
	case s.Misses != "":
		return misses.Load(s.Misses, opts.Of.Name, opts.now())
	}
	return Load(ctx, s.Months, opts)
}
