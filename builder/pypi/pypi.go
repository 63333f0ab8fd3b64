package pypi

import (
	"context"

	"larder/builder"
	"larder/builder/fetch"
	"larder/builder/pypi/index"
	"larder/builder/pypi/view"
	"larder/snapshot"
	"larder/snapshot/pypi"
)

// Ecosystem builds from the index that the first target's pip, else the python3 on PATH, is
// configured for.
func Ecosystem() builder.Ecosystem { return ecosystem(openClient) }

// opener reaches an index, until it is closed.
type opener = func(context.Context, builder.Config) (client *index.Client, close func(), err error)

func ecosystem(open opener) builder.Ecosystem {
	return builder.Ecosystem{
		Ecosystem: pypi.Ecosystem, Writers: view.All, Installer: "pip",
		Owns: owns,
		Targets: func(ctx context.Context, tags []string, programs map[string]string) ([]builder.Target, error) {
			found, err := FindTargets(ctx, tags, programs)
			all := make([]builder.Target, len(found))
			for i, t := range found {
				all[i] = t.Builder()
			}
			return all, err
		},
		Open: func(ctx context.Context, cfg builder.Config, stage *snapshot.Stage) (builder.World, error) {
			if cfg.Offline {
				return newWorld(cfg, stage, nil, func() {}), nil
			}
			client, closeClient, err := open(ctx, cfg)
			if err != nil {
				return nil, err
			}
			return newWorld(cfg, stage, client, closeClient), nil
		},
	}
}

func openClient(ctx context.Context, cfg builder.Config) (*index.Client, func(), error) {
	targets := make([]Target, len(cfg.Targets))
	for i, t := range cfg.Targets {
		targets[i] = t.Own.(Target)
	}
	_, pip, err := PipOf(ctx, targets...)
	if err != nil {
		return nil, nil, err
	}
	client, err := Connect(pip, cfg, cfg.Store.PagesDir())
	if err != nil {
		return nil, nil, err
	}
	return client, client.Close, nil
}

// PipOf is the interpreter whose pip says where the index is (the first target's that is on this
// host, else python3 on PATH), and what it says.
func PipOf(ctx context.Context, targets ...Target) (python string, pip index.Config, err error) {
	python = "python3"
	for _, t := range targets {
		if t.Interpreter != nil {
			python = t.Interpreter.Executable
			break
		}
	}
	pip, err = index.FromPip(ctx, []string{python})
	return python, pip, err
}

// Connect is a client of the index that pip is configured for. It keeps pages in a directory: those
// that did not change cost one small answer. Without that they cost a full one, which is no reason
// to fail.
func Connect(pip index.Config, cfg builder.Config, pages string) (*index.Client, error) {
	cache, err := index.OpenPageCache(pages, 0)
	if err != nil {
		cfg.Warn(err.Error())
	}
	return index.New(pip, index.Options{Limits: fetch.Limits{Jobs: cfg.Jobs}, UserAgent: cfg.UserAgent, Cache: cache})
}
