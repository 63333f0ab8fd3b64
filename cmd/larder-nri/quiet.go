package main

import (
	"context"
	"fmt"
	"log/slog"
)

// quiet is the log of NRI's own library: what it says of each step of a connection is nobody's
// business, its troubles are.
type quiet struct{ log *slog.Logger }

func (quiet) Debugf(context.Context, string, ...any) {}

func (quiet) Infof(context.Context, string, ...any) {}

func (quiet) Warnf(context.Context, string, ...any) {}

func (q quiet) Errorf(_ context.Context, format string, args ...any) {
	q.log.Error("nri: " + fmt.Sprintf(format, args...))
}
