package view

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"larder/builder"
	"larder/builder/pypi/uvcache"
	"larder/snapshot"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
)

// uvView is a view of uv's cache, with what is as indexes publish it, or what was built from sources.
func uvView(name string, built snapshot.Built) builder.View {
	return builder.View{Name: name, Built: built, Fill: &builder.Fill{Key: uvKey, Split: uvcache.Split,
		Open: func(ctx context.Context, cfg builder.Config) (builder.Filler, error) {
			return openUV(ctx, cfg, name, built)
		}}}
}

// uvKey is all that is in uv's entries of a wheel: its name, its addresses without queries, what its page
// says of it, for which target it was installed, and what it was built from.
func uvKey(it *builder.Item) string {
	w := wheelOf(it)
	url, _, _ := strings.Cut(it.URL, "?")
	lines := []string{it.Filename, it.Version, it.Digest, url, it.Index, w.RequiresPython, strconv.FormatBool(w.Metadata), uvTarget(it)}
	if b := it.Built; b != nil {
		lines = append(lines, b.Source.String(), b.Kind, strconv.FormatInt(b.Size, 10))
	}
	return strings.Join(lines, "\n")
}

// uvTarget is the target that a wheel is installed for: any of its own will do.
func uvTarget(it *builder.Item) string {
	tag := it.Picks[0].Target
	for _, p := range it.Picks {
		tag = min(tag, p.Target)
	}
	return tag
}

// uvFiller has uvs write their cache.
type uvFiller struct {
	*uvcache.Writer
	built   snapshot.Built
	targets map[string]uvcache.Target
}

func openUV(ctx context.Context, cfg builder.Config, name string, built snapshot.Built) (builder.Filler, error) {
	f := &uvFiller{built: built, targets: map[string]uvcache.Target{}}
	for _, t := range cfg.Targets {
		tag, err := pypi.ParseTag(t.Tag)
		if err != nil {
			continue // another ecosystem's
		}
		detail, err := pypi.TargetOf(t.Target)
		if err != nil {
			return nil, err
		}
		f.targets[t.Tag] = uvcache.Target{Tag: tag, Version: detail.Python, Program: t.Program}
	}
	var err error
	f.Writer, err = uvcache.Open(ctx, name, cfg.Programs[pypi.ViewUV], cfg.Warn)
	return f, err
}

func (f *uvFiller) Fill(ctx context.Context, dir string, items []*builder.Item, open func(*builder.Item) (builder.Reader, error), put builder.Put) ([]image.Entry, error) {
	wheels := make([]uvcache.Wheel, len(items))
	for i, it := range items {
		target, ok := f.targets[uvTarget(it)]
		if !ok {
			return nil, fmt.Errorf("%s is for %s, which is no target of this build", it.Filename, uvTarget(it))
		}
		w := wheelOf(it)
		wheels[i] = uvcache.Wheel{Project: it.Project, Version: it.Version, Filename: it.Filename, Digest: it.Digest, Size: it.Size, URL: it.URL, Index: it.Index,
			RequiresPython: w.RequiresPython, Metadata: w.Metadata, Listed: it.Built.Needs() != f.built, Target: target, Open: func() (builder.Reader, error) { return open(it) }}
		if it.Built != nil {
			wheels[i].Built = &uvcache.Source{Digest: it.Built.Source.String(), Size: it.Built.Size}
		}
	}
	return f.Write(ctx, dir, wheels, put)
}
