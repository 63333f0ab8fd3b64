package sources

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"larder/popularity"
	"larder/snapshot/ecosystem"
)

// Options say how sources are opened.
type Options struct {
	// Of is whose projects are ranked.
	Of ecosystem.Ecosystem
	// Web asks addresses; without one they cannot be had.
	Web Web
	// Force takes a ranking that lost most of its rows since last time.
	Force bool
	// Timeout bounds one source from the first byte sent to the last read;
	// 0 is two minutes.
	Timeout time.Duration
	// Now is the clock; nil is the real one.
	Now func() time.Time
}

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

const sourceHint = "name a ranking file, or an address beginning with http:// or https://"

// Load reads every source, a path or an http(s) address, and merges them as
// months of one ranking (see [popularity.Merge]).
//
// A source that fails is named in a warning and the others go on. When none is
// left, a source that was refused is the error (it is there and wrong, which
// somebody must look at), else the first that was unreachable.
func Load(ctx context.Context, sources []string, opts Options) (popularity.Ranking, []popularity.Warning, error) {
	var (
		rankings []popularity.Ranking
		warnings []popularity.Warning
		failed   error
	)
	for _, source := range sources {
		r, w, err := open(ctx, source, opts)
		warnings = append(warnings, w...)
		if ctx.Err() != nil {
			return popularity.Ranking{}, warnings, ctx.Err()
		}
		if err != nil {
			if failed == nil || errors.Is(err, popularity.ErrRefused) && !errors.Is(failed, popularity.ErrRefused) {
				failed = err
			}
			warnings = append(warnings, warningOf(err, source))
			continue
		}
		rankings = append(rankings, r)
	}
	if len(rankings) == 0 {
		return popularity.Ranking{}, withoutFailure(warnings, failed), failed
	}
	merged := popularity.Merge(rankings...)
	warnings = append(warnings, lost(rankings, merged)...)
	if len(merged.Entries) == 0 {
		return popularity.Ranking{}, warnings, popularity.Refuse(fmt.Sprintf("of %d sources", len(rankings)), "they have no project in common",
			"several rankings are read as months of one; name one, or lists of the same kind")
	}
	return merged, warnings, nil
}

// warningOf names the source once: a failure's text would name it again.
func warningOf(err error, source string) popularity.Warning {
	var f *popularity.Failure
	if errors.As(err, &f) {
		return popularity.Warning{Source: f.Source, Text: "left out: " + f.Text}
	}
	return popularity.Warning{Source: credentialFree(source), Text: "left out: " + err.Error()}
}

// withoutFailure drops the warning that says the same as the error returned.
func withoutFailure(warnings []popularity.Warning, err error) []popularity.Warning {
	same := warningOf(err, "")
	var out []popularity.Warning
	for _, w := range warnings {
		if w != same {
			out = append(out, w)
		}
	}
	return out
}

// open reads one source.
func open(ctx context.Context, source string, opts Options) (popularity.Ranking, []popularity.Warning, error) {
	scheme, _, isURL := strings.Cut(source, "://")
	switch scheme = strings.ToLower(scheme); {
	case !isURL:
		return openFile(source, opts)
	case scheme == "http" || scheme == "https":
		return ask(ctx, source, "", opts)
	}
	return popularity.Ranking{}, nil, popularity.Refuse(credentialFree(source), "not a path and not http:// or https://", sourceHint)
}

func openFile(path string, opts Options) (popularity.Ranking, []popularity.Warning, error) {
	f, err := os.Open(path)
	if err != nil {
		return popularity.Ranking{}, nil, popularity.Refuse(path, reason(err), sourceHint)
	}
	defer f.Close()
	switch st, err := f.Stat(); { // before reading any of it
	case err != nil:
		return popularity.Ranking{}, nil, popularity.Refuse(path, reason(err), sourceHint)
	case st.IsDir():
		return popularity.Ranking{}, nil, popularity.Refuse(path, "a directory", sourceHint)
	case st.Mode().IsRegular() && st.Size() > popularity.MaxBytes:
		return popularity.Ranking{}, nil, popularity.Refuse(path, popularity.TooLarge, popularity.FormatHint)
	}
	r, w, err := popularity.Parse(opts.Of, path, f)
	if err != nil {
		return popularity.Ranking{}, nil, err
	}
	return r, append(w, future(r, opts)...), nil
}

// future warns of a date that has not come yet, beyond a day for clocks and
// time zones.
func future(r popularity.Ranking, opts Options) []popularity.Warning {
	o := r.Origins[0]
	if o.Updated.After(opts.now().Add(24 * time.Hour)) {
		return []popularity.Warning{{Source: o.Source, Text: "its date, " + o.Updated.Format(time.DateOnly) + ", is in the future"}}
	}
	return nil
}

// lost warns when merging left out most of what one of the sources has, which
// happens when they are not months of one ranking but different lists.
func lost(rankings []popularity.Ranking, merged popularity.Ranking) []popularity.Warning {
	if len(rankings) < 2 {
		return nil
	}
	kept := make(map[string]bool, len(merged.Entries))
	for _, e := range merged.Entries {
		kept[e.Project] = true
	}
	var warnings []popularity.Warning
	for _, r := range rankings {
		lost := 0
		for _, e := range r.Entries {
			if !kept[e.Project] {
				lost++
			}
		}
		if lost*2 > len(r.Entries) {
			warnings = append(warnings, popularity.Warning{Source: r.Origins[0].Source, Text: fmt.Sprintf(
				"%d of its %d projects are in no other ranking and were left out: several rankings are read as months of one", lost, len(r.Entries))})
		}
	}
	return warnings
}

// reason is an error of the file system without the path, which the message
// names already.
func reason(err error) string {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return err.Error()
}
