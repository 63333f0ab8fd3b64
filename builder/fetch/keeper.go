package fetch

import (
	"context"
	"net/url"
	"time"
)

// Keeper gets answers and keeps the last good one of each. Its methods take no type of
// this package, so that who needs it need not import it.
type Keeper struct {
	Client *Client
	Cache  *Cache // nil keeps none
}

// Get gives use what an address says (to a POST, if post is not empty), of at most max
// bytes. An answer that use refuses is not kept. unkept is why another could not be.
func (k Keeper) Get(ctx context.Context, u *url.URL, post string, max int64, use func([]byte) error) (unkept, err error) {
	r := k.request(u, post, max)
	r.Use = func(a *Answer) error { return use(a.Body) }
	a, err := k.Client.Get(ctx, r)
	if err != nil {
		return nil, err
	}
	return a.Unkept, nil
}

// Last is what was kept last of an address, and when the address last said so.
func (k Keeper) Last(u *url.URL, post string, max int64) (body []byte, said time.Time, ok bool) {
	a, ok := k.Cache.Last(k.request(u, post, max))
	if !ok {
		return nil, time.Time{}, false
	}
	return a.Body, a.Said, true
}

func (k Keeper) request(u *url.URL, post string, max int64) Request {
	return Request{Op: "get", Name: u.Host, URL: u, Post: post, MaxBytes: max, Cache: k.Cache, LastGood: true}
}
