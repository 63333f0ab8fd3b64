package resolve

import (
	"context"
	"errors"
	"net/http"

	"larder/builder/sandbox"
)

// Sandbox runs one command that nobody trusts: *sandbox.Runner.
type Sandbox interface {
	Run(ctx context.Context, s sandbox.Spec) (*sandbox.Result, error)
}

// Options are how a project is built. Sandbox and Scratch are needed; of the rest the zero value is a
// sound default.
type Options struct {
	Sandbox Sandbox
	Scratch string   // directory of scratch files
	Maven   string   // the program; "": mvn on PATH
	Goals   []string // and options of mvn; nil: DefaultGoals
	Limits  sandbox.Limits
}

// Project runs mvn on a copy of the project whose POM is at path. repository answers what mvn asks for:
// GET and HEAD of paths below "/", in the layout of a repository. It is called from several goroutines,
// and no longer once Project has returned.
func Project(ctx context.Context, path string, repository http.Handler, o Options) error {
	return errors.ErrUnsupported
}
