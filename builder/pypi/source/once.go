package source

import "sync"

// once keeps what was made for a key, and lets only one make it. An error is not kept: the next one
// tries again.
type once[T any] struct {
	mu    sync.Mutex
	slots map[string]*slot[T]
}

type slot[T any] struct {
	mu   sync.Mutex
	made bool
	it   T
}

func (o *once[T]) do(key string, make func() (T, error)) (T, error) {
	o.mu.Lock()
	if o.slots == nil {
		o.slots = map[string]*slot[T]{}
	}
	s := o.slots[key]
	if s == nil {
		s = &slot[T]{}
		o.slots[key] = s
	}
	o.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made {
		return s.it, nil
	}
	it, err := make()
	if err == nil {
		s.made, s.it = true, it
	}
	return it, err
}
