package pypi

import (
	"context"

	"larder/builder"
	"larder/builder/pypi/index"
)

// EcosystemOf builds from the index of a client, which the caller closes.
func EcosystemOf(client *index.Client) builder.Ecosystem {
	return ecosystem(func(context.Context, builder.Config) (*index.Client, func(), error) { return client, func() {}, nil })
}
