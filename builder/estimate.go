package builder

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"larder/snapshot"
)

// estimate fills the report of a dry run: every planned wheel with its size, and
// how much of it the store has. An index that tells no sizes is asked with one HEAD
// a wheel; a wheel whose size cannot be had is listed with -1.
func (b *build) estimate(ctx context.Context) error {
	var mu sync.Mutex
	sizes := map[string]int64{}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(b.Jobs)
	asked := map[string]bool{}
	for _, p := range b.plan.picks {
		if asked[p.file.SHA256] {
			continue
		}
		asked[p.file.SHA256] = true
		g.Go(func() error {
			size := p.file.Size
			if size < 0 {
				var err error
				if size, err = b.pages.Size(ctx, p.file); err != nil {
					size = -1
				}
			}
			mu.Lock()
			defer mu.Unlock()
			sizes[p.file.SHA256] = size
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	counted := map[string]bool{}
	for _, p := range b.plan.picks {
		if p.tool {
			continue
		}
		item := PlanItem{
			Project: p.project, Version: p.version.String(), Filename: p.file.Filename,
			Target: b.Targets[p.target].Tag, Size: sizes[p.file.SHA256],
		}
		if item.Size >= 0 {
			p.file.Size = item.Size
			item.Disk = b.diskBytes([]pick{p})
		}
		if d, err := snapshot.ParseDigest(p.file.SHA256); err == nil {
			if f, err := b.Store.OpenObject(snapshot.Object{Digest: d}); err == nil {
				info, err := f.Stat()
				item.Stocked = err == nil && (item.Size < 0 || info.Size() == item.Size)
				f.Close()
			}
		}
		b.report.Plan = append(b.report.Plan, item)
		if size := item.Size; size > 0 && !counted[p.file.SHA256] {
			counted[p.file.SHA256] = true
			b.report.Bytes += size
			if item.Stocked {
				b.report.ReusedBytes += size
			} else {
				b.report.FetchedBytes += size
			}
		}
	}
	slices.SortStableFunc(b.report.Plan, func(a, c PlanItem) int {
		return int(max(-1, min(1, c.Size-a.Size)))
	})
	return nil
}
