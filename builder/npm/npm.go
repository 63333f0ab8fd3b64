package npm

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/npm/registry"
	"larder/snapshot"
	"larder/snapshot/npm"
	"larder/snapshot/npm/lock"
)

// Ecosystem builds from the registries that npm is configured for.
func Ecosystem() builder.Ecosystem { return ecosystem(registry.FromNPM) }

func ecosystem(configure func(context.Context) (registry.Config, error)) builder.Ecosystem {
	row := npm.Ecosystem
	row.Locks = lock.Locks
	return builder.Ecosystem{
		Ecosystem: row, Writers: views, Digest: digestOf,
		Owns: func(tag string) bool { return strings.HasPrefix(tag, "linux-") },
		Targets: func(_ context.Context, tags []string, _ map[string]string) ([]builder.Target, error) {
			return FindTargets(tags)
		},
		Open: func(ctx context.Context, cfg builder.Config, stage *snapshot.Stage) (builder.World, error) {
			w := &world{cfg: cfg, stage: stage}
			if stage != nil && slices.Contains(cfg.Views, npm.ViewPackuments) {
				w.packuments = &packuments{stage: stage, all: map[string]answered{}}
			}
			if cfg.Offline {
				return w, nil
			}
			config, err := configure(ctx)
			if err != nil {
				return nil, err
			}
			options := registry.Options{Limits: fetch.Limits{Jobs: cfg.Jobs}, UserAgent: cfg.UserAgent}
			pages := npm.Name
			if w.packuments != nil { // another form of what registries say, by the same addresses
				options.Keep, pages = w.packuments.keep, npm.ViewPackuments
			}
			options.Cache = fetch.NewCache(filepath.Join(cfg.Store.PagesDir(), pages), 0)
			w.client, err = registry.New(config, options)
			if err != nil {
				return nil, err
			}
			return w, nil
		},
	}
}

// digestOf is the registry's digest of an artifact; "" of a row that cannot be read, which nothing
// is then reused of.
func digestOf(row snapshot.ManifestArtifact) string {
	sum, err := sumOf(row)
	if err != nil {
		return ""
	}
	return sum.Hex()
}

func sumOf(row snapshot.ManifestArtifact) (npm.Sum, error) {
	detail, err := npm.TarballOf(row)
	if err != nil {
		return npm.Sum{}, err
	}
	sums, err := npm.ParseIntegrity(detail.Integrity)
	if err != nil {
		return npm.Sum{}, err
	}
	return sums[0], nil
}
