package fetch

import (
	"context"
	"sync"
	"time"
)

// hosts is what all requests to one host share: the pause that it asked for, and how long
// it has been slow. A server that sends each answer just fast enough would else hold a
// build for hours. Time that a server takes within reason is not counted (see
// Limits.grace and Limits.fair).
type hosts struct {
	mu    sync.Mutex
	until map[string]time.Time
	slow  map[string]time.Duration
}

func (h *hosts) init() { h.until, h.slow = map[string]time.Time{}, map[string]time.Duration{} }

// pause lets no request out to a host for some time.
func (h *hosts) pause(host string, d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if until := time.Now().Add(d); until.After(h.until[host]) {
		h.until[host] = until
	}
}

// wait waits for a host's pause to be over.
func (h *hosts) wait(ctx context.Context, host string) error {
	h.mu.Lock()
	until := h.until[host]
	h.mu.Unlock()
	return sleep(ctx, time.Until(until))
}

// spend counts slow time of a host, and fails once there was more than most (0: never).
func (h *hosts) spend(host string, d, most time.Duration) error {
	if most == 0 {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.slow[host] += max(d, 0); h.slow[host] > most {
		return ErrGivenUp
	}
	return nil
}

// grace is what an answer, and again its body, may take before it is slow.
func (l *Limits) grace() time.Duration { return l.StallTime / 6 }

// fair is the speed, in bytes a second, at which a body is not slow: a few times what is
// refused at once.
func (l *Limits) fair() float64 { return 4 * float64(l.MinSpeed) }
