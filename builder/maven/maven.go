package maven

import (
	"context"
	"fmt"
	"net/http"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/maven/repository"
	"larder/builder/maven/settings"
	"larder/snapshot"
	"larder/snapshot/maven"
)

// Ecosystem builds from the repository that Maven is configured for.
func Ecosystem() builder.Ecosystem { return ecosystem(settings.FromMaven, project) }

// resolver builds the project whose POM is at path, and asks the handler for what that needs.
type resolver func(ctx context.Context, path string, repository http.Handler, stage *snapshot.Stage) error

func ecosystem(configure func(context.Context) (settings.Config, error), project resolver) builder.Ecosystem {
	return builder.Ecosystem{
		Ecosystem: maven.Ecosystem, Writers: views, Digest: digestOf, Exact: true,
		Owns:    func(tag string) bool { return tag == maven.Tag },
		Targets: findTargets,
		Open: func(ctx context.Context, cfg builder.Config, stage *snapshot.Stage) (builder.World, error) {
			held, err := cfg.Store.Firsts(maven.Name)
			if err != nil {
				return nil, err
			}
			w := &world{cfg: cfg, stage: stage, project: project, held: held, taken: map[string]taken{}}
			if cfg.Offline {
				return w, nil
			}
			config, err := configure(ctx)
			if err != nil {
				return nil, err
			}
			w.client, err = repository.New(config, repository.Options{Limits: fetch.Limits{Jobs: cfg.Jobs}, UserAgent: cfg.UserAgent})
			if err != nil {
				return nil, err
			}
			return w, nil
		},
	}
}

// findTargets resolves tags: there is one.
func findTargets(_ context.Context, tags []string, _ map[string]string) ([]builder.Target, error) {
	for _, tag := range tags {
		if tag != maven.Tag {
			return nil, builder.WithHint(fmt.Errorf("%w: %.60q: files of Maven are the same for all", maven.ErrTag, tag), "leave --target out, or write it as "+maven.Tag)
		}
	}
	return []builder.Target{{Target: maven.Target()}}, nil
}

// views are what clients' caches are made of: every file at its path, and nothing beside it.
var views = []builder.View{{Name: maven.ViewMaven, Entries: func(it *builder.Item) []builder.ViewEntry {
	f, err := maven.FileOf(it.Project, it.Version, it.Filename)
	if err != nil {
		return nil
	}
	return []builder.ViewEntry{{Path: f.Path(), Object: it.Object, Size: it.Size}}
}}}
