package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"larder/popularity"
)

const (
	defaultTimeout = 2 * time.Minute
	reachHint      = "check the address and the network, or name another ranking; nothing is kept of what it said before"
)

// Web asks addresses and keeps the last good answer of each. Package builder/fetch has one.
type Web interface {
	// Get gives use what an address says (to a POST, if post is not empty), of at most
	// max bytes. It asks conditionally, where an answer is kept: an unchanged one is
	// given to use too. Answers that use refuses are not kept. unkept is why another one
	// could not be.
	Get(ctx context.Context, u *url.URL, post string, max int64, use func(body []byte) error) (unkept, err error)
	// Last is what was kept last, and when the address last said so.
	Last(u *url.URL, post string, max int64) (body []byte, said time.Time, ok bool)
}

// webError is what the errors of a Web tell, if they can.
type webError interface {
	Reason() string  // without the address
	HTTPStatus() int // 0 if there was no answer
	TooLarge() bool
}

// ask asks the address, and falls back to its kept answer when there is no usable new one.
func ask(ctx context.Context, address, post string, opts Options) (popularity.Ranking, []popularity.Warning, error) {
	shown := credentialFree(address)
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return popularity.Ranking{}, nil, popularity.Refuse(shown, "not an address", sourceHint)
	}
	if opts.Web == nil {
		return popularity.Ranking{}, nil, unavailable(shown, "there is no way to ask addresses")
	}
	var r popularity.Ranking
	var w []popularity.Warning
	unkept, err := opts.get(ctx, u, post, func(body []byte) (err error) {
		r, w, err = popularity.Parse(opts.Of, shown, bytes.NewReader(body))
		if err == nil && !opts.Force {
			err = opts.shrunk(len(r.Entries), u, post, shown)
		}
		return err
	})
	if err == nil {
		r.Origins[0].Fetched = opts.now()
		if unkept != nil {
			w = append(w, popularity.Warning{Source: shown, Text: "keep its answer for the next run: " + unkept.Error()})
		}
		return r, append(w, future(r, opts)...), nil
	}
	err = failure(shown, err)
	if ctx.Err() != nil {
		return popularity.Ranking{}, nil, err
	}
	r, w, said, ok := opts.last(u, post, shown)
	if !ok {
		return popularity.Ranking{}, nil, err
	}
	r.Origins[0].Fetched, r.Origins[0].Stale = said, true
	why := warningOf(err, address)
	why.Text = fmt.Sprintf("%s; using its answer of %s", strings.TrimPrefix(why.Text, "left out: "), age(opts.now().Sub(said)))
	return r, append(w, why), nil
}

// get is Web.Get under one deadline: a server that sends a byte a second keeps every
// shorter timer happy.
func (o Options) get(ctx context.Context, u *url.URL, post string, use func([]byte) error) (unkept, err error) {
	timeout := o.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no whole answer within %v", timeout))
	defer cancel()
	unkept, err = o.Web.Get(ctx, u, post, popularity.MaxBytes, use)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return unkept, err
}

// last reads the kept answer. Whatever is wrong with it, there is none.
func (o Options) last(u *url.URL, post, shown string) (r popularity.Ranking, w []popularity.Warning, said time.Time, ok bool) {
	body, said, ok := o.Web.Last(u, post, popularity.MaxBytes)
	if ok {
		var err error
		r, w, err = popularity.Parse(o.Of, shown, bytes.NewReader(body))
		ok = err == nil
	}
	return r, w, said, ok
}

// shrunk refuses a ranking with less than a tenth of the projects it had: a broken export
// looks like that, and stocking from it would empty a host.
func (o Options) shrunk(now int, u *url.URL, post, shown string) error {
	last, _, _, ok := o.last(u, post, shown)
	if before := len(last.Entries); ok && now*10 < before {
		return popularity.Refuse(shown, fmt.Sprintf("%d projects where there were %d", now, before), "take it with --force if that is right")
	}
	return nil
}

// failure says why there is no answer, without the address, which may hold a token.
func failure(shown string, err error) error {
	var refused *popularity.Failure
	var web webError
	switch {
	case errors.As(err, &refused):
		return refused
	case !errors.As(err, &web):
		return unavailable(shown, err.Error())
	case web.TooLarge():
		return popularity.Refuse(shown, popularity.TooLarge, popularity.FormatHint)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return unavailable(shown, "the answer was cut short")
	case web.HTTPStatus() != 0:
		return unavailable(shown, fmt.Sprintf("the server answers %d %s", web.HTTPStatus(), http.StatusText(web.HTTPStatus())))
	}
	return unavailable(shown, web.Reason())
}

func unavailable(shown, text string) error {
	return &popularity.Failure{Kind: popularity.ErrUnreachable, Source: shown, Text: text, Advice: reachHint}
}

// age is how long ago in the unit a person would use.
func age(d time.Duration) string {
	switch {
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes ago", max(0, int(d.Minutes())))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// credentialFree is an address as it may be printed: no user, no query (tokens
// are found there too), no fragment. A path comes back as it is.
func credentialFree(address string) string {
	scheme, _, isURL := strings.Cut(address, "://")
	if !isURL {
		return address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return scheme + "://…" // read by nobody the same way: show none of it
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
}
