package main

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"larder/builder"
	"larder/builder/pypi/index"
	"larder/popularity/simulate"
	"larder/snapshot/pypi/lock"
)

// newResolver finds uv and tells it of the index that pip is configured for.
func newResolver(c *cli.Context, t builder.Target, pip index.Config, python, cache string) (simulate.Resolver, error) {
	uv := c.String("uv")
	path, err := exec.LookPath(uv)
	if err != nil {
		return simulate.Resolver{}, usagef("--simulate resolves with uv, and %q is not there", uv).hint("install uv, or name it with --uv")
	}
	platform, err := uvPlatform(t.Tag)
	if err != nil {
		return simulate.Resolver{}, err
	}
	env := os.Environ()
	if len(pip.Indexes) > 0 {
		env = append(env, "UV_INDEX_URL="+pip.Indexes[0])
		if len(pip.Indexes) > 1 {
			env = append(env, "UV_EXTRA_INDEX_URL="+strings.Join(pip.Indexes[1:], " "))
		}
	}
	if len(pip.CABundles) > 0 {
		env = append(env, "SSL_CERT_FILE="+pip.CABundles[0])
	}
	env = append(env, "UV_PYTHON="+python)
	return simulate.Resolver{UV: path, Cache: cache, Python: t.Target.Python(), Platform: platform, Env: env}, nil
}

// uvPlatform is uv's name for a target's platform.
func uvPlatform(tag string) (string, error) {
	platform := tag[strings.IndexByte(tag, '-')+1:]
	if rest, ok := strings.CutPrefix(platform, "manylinux_"); ok {
		if parts := strings.SplitN(rest, "_", 3); len(parts) == 3 {
			return parts[2] + "-manylinux_" + parts[0] + "_" + parts[1], nil
		}
	}
	if rest, ok := strings.CutPrefix(platform, "musllinux_"); ok {
		if parts := strings.SplitN(rest, "_", 3); len(parts) == 3 {
			return parts[2] + "-unknown-linux-musl", nil
		}
	}
	return "", usagef("uv has no name for the platform of %s", tag)
}

// resolve resolves the sets, four at once, and returns the locks of those that can be.
func (out *simulation) resolve(ctx context.Context, r simulate.Resolver, sets []simulate.Set) ([]resolvedLock, error) {
	locks := make([]resolvedLock, len(sets))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, s := range sets {
		g.Go(func() error {
			res, err := r.Resolve(ctx, s)
			locks[i] = resolvedLock{s, res}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(locks, func(l resolvedLock) bool {
		if len(l.Dropped) > 0 {
			out.NeedSdist = append(out.NeedSdist, unstockable{ID: l.ID, Pins: l.Dropped})
		}
		if l.Lock == "" {
			out.Unresolved = append(out.Unresolved, unstockable{ID: l.ID, Pins: []string{}, Reason: l.Failed})
		}
		return l.Lock == ""
	}), nil
}

type resolvedLock struct {
	simulate.Set
	simulate.Resolution
}

// wheels finds the wheel of each pin: the index is asked about these projects.
func (out *simulation) wheels(ctx context.Context, cfg builder.Config, locks []resolvedLock, memory string) (*builder.Simulation, []simulate.Resolved, error) {
	pins := make([]*lock.Lock, len(locks))
	projects, needs := map[string]bool{}, map[string][]string{}
	for i, l := range locks {
		var err error
		if pins[i], err = lock.Read(l.Lock, cfg.Targets[0].Markers); err != nil {
			return nil, nil, err
		}
		for _, p := range pins[i].Pins {
			projects[p.Name] = true
			// A project of a lock that needs nothing there is known to, too.
			for _, n := range append(needs[p.Name], l.Needs[p.Name]...) {
				if !slices.Contains(needs[p.Name], n) {
					needs[p.Name] = append(needs[p.Name], n)
				}
			}
			if needs[p.Name] == nil && l.Needs != nil {
				needs[p.Name] = []string{}
			}
		}
	}
	sim, err := builder.NewSimulation(ctx, cfg, slices.Sorted(maps.Keys(projects)), needs, memory)
	if err != nil {
		return nil, nil, err
	}
	var all []simulate.Resolved
	for i, l := range locks {
		set := simulate.Resolved{ID: l.ID, Category: l.Category}
		lacks := unstockable{ID: l.ID}
		for _, p := range pins[i].Pins {
			p.Hashes = nil // which of its wheels is the target's to say
			name, size, err := sim.Wheel(ctx, &p)
			if err != nil {
				lacks.Pins = append(lacks.Pins, p.Name+"=="+p.Version)
				lacks.Reason = err.Error()
				continue
			}
			set.Wheels = append(set.Wheels, simulate.Wheel{Project: p.Name, Version: p.Version, Filename: name, Size: size})
		}
		if len(lacks.Pins) > 0 {
			out.NeedSdist = append(out.NeedSdist, lacks)
		}
		out.Wheels += len(set.Wheels)
		all = append(all, set)
	}
	out.Sets = len(all)
	return sim, all, nil
}
