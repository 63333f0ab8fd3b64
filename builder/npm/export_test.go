package npm

import (
	"context"

	"larder/builder"
	"larder/builder/npm/registry"
)

// EcosystemOf builds from the registries of a configuration.
func EcosystemOf(c registry.Config) builder.Ecosystem {
	return ecosystem(func(context.Context) (registry.Config, error) { return c, nil })
}
