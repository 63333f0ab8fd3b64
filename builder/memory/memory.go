// Package memory is the one budget of memory that the big users of a build draw
// from: [Total] bytes, whatever is in the artifacts and on the index's pages. An honest
// build uses a tenth of it.
//
// The parts are separate, because their users wait for each other: an artifact that is
// being unpacked waits for the compilers.
package memory

import (
	"context"

	"golang.org/x/sync/semaphore"
)

// Bytes. Total is the sum of the parts.
const (
	Total   = 8 << 30
	Source  = 4 << 30                  // one large source at a time: its interpreter, and what we make of the code
	Workers = 2 << 30                  // the interpreters for all other sources
	Worker  = 256 << 20                // one of them
	Readers = Total - Source - Workers // artifacts and index pages that are being read
)

// MaxWorkers is how many interpreters fit.
const MaxWorkers = Workers / Worker

// The memory is the host's, so there is one of each for the process.
var (
	source  = semaphore.NewWeighted(1)
	readers = semaphore.NewWeighted(Readers)
)

// TakeSource waits for the memory to compile a large source. The caller gives it back.
func TakeSource(ctx context.Context) (giveBack func(), err error) {
	if err := source.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { source.Release(1) }, nil
}

// TakeReader waits for n bytes (at most Readers) to read a hostile file with. Whoever
// holds some takes no more: two such would wait for each other.
func TakeReader(ctx context.Context, n int64) (giveBack func(), err error) {
	n = min(n, Readers)
	if err := readers.Acquire(ctx, n); err != nil {
		return nil, err
	}
	return func() { readers.Release(n) }, nil
}
