package builder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/failpoint"
)

// RebuildReport says what recipes gave. Its JSON form is a contract for those who script against it.
type RebuildReport struct {
	Check bool      `json:"check"`
	Built []Rebuilt `json:"built"`
}

// Rebuilt is one artifact and what its recipe gave.
type Rebuilt struct {
	Project  string          `json:"project"`
	Version  string          `json:"version"`
	Target   string          `json:"target"`
	Filename string          `json:"filename"`
	SHA256   snapshot.Digest `json:"sha256"`
	Source   snapshot.Digest `json:"source"`
	Recipe   snapshot.Digest `json:"recipe"`
	Outcome  Outcome         `json:"outcome"`
	Detail   string          `json:"detail,omitempty"`
	Seconds  float64         `json:"seconds"`

	err error
}

// Outcome is what came of a recipe.
type Outcome string

const (
	Same      Outcome = "same"      // the same bytes
	Restored  Outcome = "restored"  // the same bytes, which the pool lacked
	There     Outcome = "there"     // nothing was built: the pool has it, undamaged
	Different Outcome = "different" // other bytes: what is in the pool stays as it was
	Failed    Outcome = "failed"    // nothing was built: Detail says why
)

// Count is how many came out so.
func (r *RebuildReport) Count(o Outcome) (n int) {
	for _, b := range r.Built {
		if b.Outcome == o {
			n++
		}
	}
	return n
}

// err is nil, ErrDamaged of snapshot where a recipe gave other bytes, else what kept one from being
// followed.
func (r *RebuildReport) err() error {
	var first error
	for _, b := range r.Built {
		if b.Outcome == Different {
			return b.err
		}
		if first == nil {
			first = b.err
		}
	}
	return first
}

// Rebuild follows recipes again: those that gave what a name says (PROJECT==VERSION, or the SHA-256 of a
// source, an artifact or a recipe), all where there is none. What the pool lacks is put back; with
// check, all are followed and compared, and the pool stays as it is. Of cfg count the store, the
// ecosystems, the limits and what it says. The report is valid, as far as it came, when the error is
// not nil too.
func Rebuild(ctx context.Context, cfg Config, name string, check bool) (*RebuildReport, error) {
	if cfg.Ecosystems == nil {
		cfg.Ecosystems = registered
	}
	log := newLog(cfg)
	cfg.Warn = log.warn
	report := &RebuildReport{Check: check, Built: []Rebuilt{}}
	chosen, err := chooseRecipes(cfg, name)
	if err != nil {
		return report, err
	}
	stage, err := cfg.Store.Begin(ctx)
	if err != nil {
		return report, err
	}
	defer stage.Close()
	s := &stocking{cfg: cfg, stage: stage, log: log, start: time.Now(), until: deadline{time.Now().Add(cfg.FetchTime), cfg.FetchTime}}
	for _, e := range cfg.Ecosystems {
		mine := slices.DeleteFunc(slices.Clone(chosen), func(r snapshot.Recipe) bool { return r.Ecosystem != e.Name })
		if len(mine) == 0 {
			continue
		}
		if err := s.rebuildAll(ctx, e, mine, check, report); err != nil {
			return report, err
		}
	}
	return report, report.err()
}

// chooseRecipes are those that gave what a name says.
func chooseRecipes(cfg Config, name string) ([]snapshot.Recipe, error) {
	all, bad, err := cfg.Store.Recipes()
	if err != nil {
		return nil, err
	}
	for _, b := range bad {
		cfg.Warn(b.Err.Error())
	}
	var named []snapshot.Denial // as what is denied is named
	if name != "" {
		if d, err := snapshot.ParseDenial(name); err == nil {
			named = append(named, d)
		}
	}
	chosen := slices.DeleteFunc(all, func(r snapshot.Recipe) bool {
		return r.Result == nil || name != "" &&
			ecosystem.Denied(named, r.Ecosystem, r.Project, r.Version, r.Source.String(), r.Result.SHA256.String(), r.ID().String()) == nil
	})
	if len(chosen) == 0 && name != "" {
		return nil, &hinted{fmt.Errorf("%w: nothing that was built from a source is named %q", ErrRefused, name),
			"name it as PROJECT==VERSION, or by the SHA-256 of a source, an artifact or a recipe: larder show prints them"}
	}
	return chosen, nil
}

func (s *stocking) rebuildAll(ctx context.Context, e Ecosystem, recipes []snapshot.Recipe, check bool, report *RebuildReport) error {
	var tags []string
	for _, r := range recipes {
		if !slices.Contains(tags, r.Target) {
			tags = append(tags, r.Target)
		}
	}
	w := &world{Ecosystem: e, cfg: s.cfg}
	var err error
	if w.cfg.Targets, err = e.Targets(ctx, tags, nil); err != nil {
		return err
	}
	if w.World, err = e.Open(ctx, w.cfg, s.stage); err != nil {
		return err
	}
	defer w.Close()
	for _, r := range recipes {
		b := Rebuilt{Project: r.Project, Version: r.Version, Target: r.Target, Filename: r.Result.Filename, SHA256: r.Result.SHA256, Source: r.Source, Recipe: r.ID()}
		start := time.Now()
		b.Outcome, b.err = s.rebuild(ctx, w, r, check)
		if b.Seconds = time.Since(start).Seconds(); b.err != nil {
			b.Detail = b.err.Error()
		}
		if ctx.Err() != nil || HostFault(b.err) {
			return whyEnded(ctx, b.err)
		}
		report.Built = append(report.Built, b)
		s.log.step("rebuild", len(recipes), r.Filename)
	}
	return nil
}

// rebuild follows one recipe.
func (s *stocking) rebuild(ctx context.Context, w *world, r snapshot.Recipe, check bool) (Outcome, error) {
	_, had := s.stage.Check(snapshot.Object{Digest: r.Result.SHA256})
	if HostFault(had) {
		return Failed, had
	}
	if had == nil && !check {
		return There, nil
	}
	o, _, err := s.follow(ctx, w, r)
	var other *different
	switch {
	case errors.As(err, &other):
		return Different, err
	case err != nil:
		return Failed, fmt.Errorf("%s: %w", r.Filename, err)
	case had == nil || check:
		return Same, nil
	}
	failpoint.Here("rebuild: built")
	return Restored, s.stage.Keep(o)
}
