package builder

import (
	"context"
	"slices"
	"time"
)

// answers has the worlds note what indexes say of the projects that are stocked, for views that have it.
func (s *stocking) answers(ctx context.Context, worlds []*world, items []*Item) error {
	fctx, done := s.until.bound(ctx)
	defer done()
	for _, w := range worlds {
		a, ok := w.World.(Answerer)
		if !ok {
			continue
		}
		start := time.Now()
		s.log.begin("ask")
		r, err := a.Answers(fctx, slices.DeleteFunc(slices.Clone(items), func(it *Item) bool { return it.world != w }))
		if err != nil {
			return whyEnded(fctx, err)
		}
		if r == nil {
			continue
		}
		if s.log.report.Answers == nil {
			s.log.report.Answers = map[string]*AnswersReport{}
		}
		s.log.report.Answers[r.View] = r
		s.log.report.Seconds["ask"] += time.Since(start).Seconds()
	}
	return nil
}
