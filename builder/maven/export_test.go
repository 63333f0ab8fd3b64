package maven

import (
	"context"
	"net/http"

	"larder/builder"
	"larder/builder/maven/settings"
	"larder/snapshot"
)

// EcosystemOf builds from the repository of a configuration what ask asks for.
func EcosystemOf(c settings.Config, ask func(ctx context.Context, path string, repository http.Handler) error) builder.Ecosystem {
	return ecosystem(func(context.Context) (settings.Config, error) { return c, nil },
		func(ctx context.Context, path string, repository http.Handler, _ *snapshot.Stage) error {
			return ask(ctx, path, repository)
		})
}
