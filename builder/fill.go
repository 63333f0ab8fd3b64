package builder

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"larder/snapshot"
	"larder/snapshot/failpoint"
	"larder/snapshot/image"
)

// Fill is how a client's own programs write a view whose format nobody else knows. What they write need
// not be the same twice, so it is kept by project: a build takes over, file by file, what the snapshot
// before has of every project of which nothing changed.
type Fill struct {
	// Key is all that decides what is written of an artifact, but for the programs.
	Key func(it *Item) string
	// Split parts the files of the view by project. What is no project's is common.
	Split func(entries []image.Entry) (common []image.Entry, of map[string][]image.Entry)
	// Open finds the programs; cfg.Programs has their paths.
	Open func(ctx context.Context, cfg Config) (Filler, error)
}

// Filler runs the programs that write a view.
type Filler interface {
	// Programs are their names and versions.
	Programs() []string
	// Fill has them write what the view has of items, which are all of their projects. Those that count
	// where less is trusted are other views' and only to be named, as what the view says of a project hides
	// what those say; they need not be in the pool. dir is for temporary files. What cannot be written is
	// warned of and left out; an error is the host's.
	Fill(ctx context.Context, dir string, items []*Item, open func(*Item) (Reader, error), put Put) ([]image.Entry, error)
}

// filling is a view that programs write, in this build.
type filling struct {
	view     View
	world    *world
	programs []string // sorted; nil: not known, as no filler was found
	filler   Filler
	missing  error // why there is none
}

// filled is what a snapshot has of such a view.
type filled struct {
	row    snapshot.ManifestFill
	common []image.Entry
	of     map[string][]image.Entry // by project
}

// openFillings finds the programs of all wanted views that need some.
func openFillings(ctx context.Context, cfg Config, worlds []*world) (all []*filling) {
	for _, w := range worlds {
		for _, v := range wantedViews(cfg, w.Ecosystem) {
			if v.Fill == nil {
				continue
			}
			f := &filling{view: v, world: w}
			if f.filler, f.missing = v.Fill.Open(ctx, w.cfg); f.missing == nil {
				f.programs = slices.Sorted(slices.Values(f.filler.Programs()))
			}
			all = append(all, f)
		}
	}
	return all
}

// fill writes the views of all fillings, or takes over what there is.
func (s *stocking) fill(ctx context.Context, fillings []*filling, items []*Item) (all []filled, err error) {
	for _, f := range fillings {
		old, err := s.previous.filled(f.view)
		if err != nil {
			s.log.warn(fmt.Sprintf("view %s of the current snapshot cannot be read, so it is made again: %v", f.view.Name, err))
		}
		if s.again && f.missing == nil && !slices.Equal(f.programs, old.row.Programs) {
			f.missing = fmt.Errorf("it was written by %s, and this host has %s", strings.Join(old.row.Programs, ", "), strings.Join(f.programs, ", "))
		}
		if s.again {
			f.programs = old.row.Programs
		}
		made, err := s.fillOne(ctx, f, old, items)
		if err != nil {
			return nil, err
		}
		all = append(all, made)
	}
	failpoint.Here("build: views filled")
	return all, nil
}

func (s *stocking) fillOne(ctx context.Context, f *filling, old filled, items []*Item) (filled, error) {
	now := filled{row: snapshot.ManifestFill{View: f.view.Name, Programs: f.programs, Projects: map[string]string{}}, of: map[string][]image.Entry{}}
	keys, of := f.keys(items)
	var wanted []*Item
	for _, project := range slices.Sorted(maps.Keys(of)) {
		same := slices.Equal(f.programs, old.row.Programs) && old.row.Projects[project] == keys[project]
		if same {
			whole, err := s.wholeEntries(old.of[project], fmt.Sprintf("what view %s has of %s", f.view.Name, project))
			if err != nil {
				return now, err
			}
			same = whole
		}
		if !same {
			wanted = append(wanted, of[project]...)
			continue
		}
		now.row.Projects[project], now.of[project] = keys[project], old.of[project]
		now.common = old.common
	}
	made, err := s.write(ctx, f, wanted)
	if err != nil {
		return now, err
	}
	common, parts := f.view.Fill.Split(made)
	for _, e := range common {
		if !slices.ContainsFunc(now.common, func(c image.Entry) bool { return c.Path == e.Path }) {
			now.common = append(now.common, e)
		}
	}
	for _, it := range wanted {
		if len(parts[it.Project]) > 0 {
			now.row.Projects[it.Project], now.of[it.Project] = keys[it.Project], parts[it.Project]
		}
	}
	return now, nil
}

// keys are what decides the view's part of each project, and the items that it is made of.
func (f *filling) keys(items []*Item) (keys map[string]string, of map[string][]*Item) {
	keys, of = map[string]string{}, map[string][]*Item{}
	for _, it := range items {
		if it.world == f.world && it.URL != "" && it.Built.Needs() <= f.view.Built {
			of[it.Project] = append(of[it.Project], it)
		}
	}
	maps.DeleteFunc(of, func(_ string, its []*Item) bool { return !slices.ContainsFunc(its, f.view.has) })
	for project, its := range of {
		lines := make([]string, len(its))
		for i, it := range its {
			lines[i] = f.view.Fill.Key(it)
		}
		slices.Sort(lines)
		keys[project] = snapshot.Sum([]byte(strings.Join(lines, "\n"))).Short()
	}
	return keys, of
}

// write runs the programs for items.
func (s *stocking) write(ctx context.Context, f *filling, items []*Item) ([]image.Entry, error) {
	named := slices.DeleteFunc(slices.Clone(items), f.view.has)
	items = slices.DeleteFunc(slices.Clone(items), func(it *Item) bool { return !f.view.has(it) })
	if len(items) == 0 {
		return nil, nil
	}
	if f.missing != nil {
		s.log.warn(fmt.Sprintf("%s and %d more are not in view %s: %v", items[0].Filename, len(items)-1, f.view.Name, f.missing))
		return nil, nil
	}
	items, err := s.atHand(ctx, f.view, items)
	if err != nil {
		return nil, err
	}
	items = append(items, named...)
	dir, err := s.stage.Scratch()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return f.filler.Fill(ctx, dir, items, func(it *Item) (Reader, error) { return s.stage.Open(it.Object) }, s.stage.Put)
}

// atHand are the items whose artifacts are in the pool, or can be had: a build that reuses all else of
// an artifact has not looked for it.
func (s *stocking) atHand(ctx context.Context, v View, items []*Item) ([]*Item, error) {
	fctx, done := s.until.bound(ctx)
	defer done()
	defer s.log.over("fill") // each view's own are counted
	var have []*Item
	for _, it := range items {
		_, ok, err := s.stored(it)
		if err != nil {
			return nil, err
		}
		if !ok {
			_, _, err = s.get(fctx, it)
		}
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case HostFault(err):
			return nil, err
		case err != nil:
			s.log.warn(fmt.Sprintf("%s is not in view %s: %v", it.Filename, v.Name, err))
		default:
			have = append(have, it)
			s.log.step("fill", len(items), it.Filename)
		}
	}
	return have, nil
}

// wholeEntries says whether there are files, and all of them undamaged.
func (s *stocking) wholeEntries(entries []image.Entry, what string) (bool, error) {
	whole := len(entries) > 0
	for _, e := range entries { // all: what is damaged is not kept because another file is, too
		if !e.Mode.IsRegular() || e.Size == 0 {
			continue
		}
		ok, err := s.whole(e.Object, e.Size, what)
		if err != nil {
			return false, err
		}
		whole = whole && ok
	}
	return whole, nil
}

// filled is what a snapshot has of a view that programs wrote.
func (p *previous) filled(v View) (f filled, err error) {
	if p == nil || p.image == nil {
		return f, nil
	}
	at := slices.IndexFunc(p.manifest.Filled, func(row snapshot.ManifestFill) bool { return row.View == v.Name })
	if at < 0 {
		return f, nil
	}
	entries, err := p.below("views/" + v.Name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return f, err
	}
	f.row = p.manifest.Filled[at]
	f.common, f.of = v.Fill.Split(entries)
	return f, nil
}

// fills places views that programs wrote.
func (l *layout) fills(all []filled) error {
	for _, f := range all {
		dir := "views/" + f.row.View
		if err := l.tree.Dir(dir); err != nil {
			return err
		}
		if err := l.tree.Place(dir, f.common); err != nil {
			return err
		}
		for _, entries := range f.of {
			if err := l.tree.Place(dir, entries); err != nil {
				return err
			}
		}
		l.manifest.Filled = append(l.manifest.Filled, f.row)
	}
	return nil
}
