package wire

import (
	"errors"
	"sync"
	"time"
)

// ErrGivenUp is a host that has used its patience up.
var ErrGivenUp = errors.New("the host has been too slow for too long and is given up")

// patience is how long all requests to one host together may be slow: a server that
// sends each answer just fast enough would else hold a build for hours. Time that a
// server takes within reason is not counted (see grace and fair).
type patience struct {
	most time.Duration // 0 for ever

	mu    sync.Mutex
	spent map[string]time.Duration // by host
}

// left says whether a host may be asked.
func (p *patience) left(host string) error { return p.spend(host, 0) }

// spend counts slow time.
func (p *patience) spend(host string, d time.Duration) error {
	if p.most == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spent[host] += max(d, 0); p.spent[host] > p.most {
		return ErrGivenUp
	}
	return nil
}

// grace is what an answer, and again its body, may take before it is slow.
func (l *Limits) grace() time.Duration { return l.StallTime / 6 }

// fair is the speed, in bytes a second, at which a body is not slow: a few times what
// is refused at once.
func (l *Limits) fair() float64 { return 4 * float64(l.MinSpeed) }
