package builder

import (
	"fmt"
	"path/filepath"
	"slices"

	"larder/popularity"
	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// world is an ecosystem that has a part in a build.
type world struct {
	Ecosystem
	World
	cfg Config // with its own targets and locks
	Ranked
	locks []*lock
}

// lock is one lock as one target reads it.
type lock struct {
	*snapshot.Requirements
	path   string
	target Target
	picks  []*Pick // by pin
}

// layers are the ids of its layers, by pin.
func (l *lock) layers() []string {
	ids := make([]string, len(l.picks))
	for i, p := range l.picks {
		if p.merged != nil {
			p = p.merged
		}
		ids[i] = p.LayerID
	}
	return ids
}

// name is what the manifest calls it.
func (l *lock) name() string { return filepath.Base(l.path) }

// row is what the manifest says of its environment.
func (l *lock) row(id string, layers []string) snapshot.ManifestEnvironment {
	row := snapshot.ManifestEnvironment{ID: id, Target: l.target.Tag, Lock: l.Digest, Name: l.name(), Layers: layers, Mounts: l.Mounts}
	for _, p := range l.Places {
		if row.Places == nil {
			row.Places = map[string]int{}
		}
		row.Places[p.Path] = p.Pin
	}
	for _, f := range l.Own {
		own := snapshot.ManifestOwn{Path: f.Path, Link: f.Link}
		if f.Link == "" {
			own.SHA256 = snapshot.Sum(f.Data)
		}
		row.Own = append(row.Own, own)
	}
	return row
}

// readLocks divides the build among the ecosystems and reads each lock for every target.
func readLocks(cfg Config) ([]*world, error) {
	var worlds []*world
	for i, e := range cfg.Ecosystems {
		w := &world{Ecosystem: e, cfg: cfg, Ranked: cfg.Ranked[e.Name]}
		w.cfg.Targets = ofEcosystem(cfg.Targets, e.Name)
		w.cfg.Locks = slices.DeleteFunc(slices.Clone(cfg.Locks), func(path string) bool { return ecosystem.ForLock(rows(cfg.Ecosystems), path) != i })
		if len(w.Projects) == 0 && len(w.cfg.Locks) == 0 {
			continue
		}
		for _, path := range w.cfg.Locks {
			for _, t := range w.cfg.Targets {
				r, err := e.Locks.Read(ecosystem.Host{}, []string{path}, t.Target)
				if err != nil {
					return nil, err
				}
				w.locks = append(w.locks, &lock{Requirements: r, path: path, target: t, picks: make([]*Pick, len(r.Pins))})
			}
		}
		worlds = append(worlds, w)
	}
	if len(worlds) == 0 {
		return nil, WithHint(fmt.Errorf("nothing to stock: the ranking is empty and no lock was given: %w", ErrRefused), "name a ranking with --ranking, or a lock with --lock")
	}
	return worlds, nil
}

func ofEcosystem(targets []Target, name string) []Target {
	return slices.DeleteFunc(slices.Clone(targets), func(t Target) bool { return t.Ecosystem != name })
}

// want is what a build asks of one project.
type want struct {
	project string
	wishes  []wish
}

// wish is a Wish and who has it: a lock, the ranking, or nobody by name.
type wish struct {
	Wish
	lock *lock
	pin  int // of lock
	tool bool

	missed bool // it is for what containers downloaded: what the index does not have is not told
}

// version is the one that is wanted, "" for any.
func (x wish) version() string {
	if x.Pin == nil {
		return ""
	}
	return x.Pin.Version
}

// wants gathers what the ranking and the locks ask for, by project, so that the index is asked once
// for each.
func (w *world) wants() []*want {
	byName := map[string]*want{}
	var all []*want
	add := func(project string, x wish) {
		if byName[project] == nil {
			byName[project] = &want{project: project}
			all = append(all, byName[project])
		}
		byName[project].wishes = append(byName[project].wishes, x)
	}
	for _, l := range w.locks {
		for i := range l.Pins {
			add(l.Pins[i].Name, wish{Wish: Wish{Target: l.target.Tag, Pin: &l.Pins[i]}, lock: l, pin: i})
		}
	}
	ranked := map[string]bool{}
	for i, project := range w.Projects {
		if w.Normalize != nil {
			project = w.Normalize(project)
		}
		for _, t := range w.cfg.Targets {
			if ranked[project] {
				continue
			}
			for _, pin := range w.pins(project) {
				add(project, wish{Wish: Wish{Target: t.Tag, Place: i + 1, Pin: pin}})
			}
			for _, pin := range w.missed(project) {
				add(project, wish{Wish: Wish{Target: t.Tag, Place: i + 1, Pin: pin}, missed: true})
			}
		}
		ranked[project] = true
	}
	if w.Installer != "" && w.layersWanted() && (!ranked[w.Installer] || w.Budget > 0) {
		for _, t := range w.cfg.Targets {
			add(w.Installer, wish{Wish: Wish{Target: t.Tag, Ready: true}, tool: true})
		}
	}
	return all
}

// pins are the versions that a ranked project is pinned to, or ranked in; a nil one is the newest.
func (w *world) pins(project string) []*snapshot.Pin {
	pins := []*snapshot.Pin{}
	e := w.Entries[project]
	for _, version := range e.Pins {
		pins = append(pins, pinOf(project, version))
	}
	if w.Exact && len(pins) == 0 {
		pins = pinsOf(project, e.Versions)
	}
	if len(pins) == 0 {
		return []*snapshot.Pin{nil}
	}
	return pins
}

// missed are the versions of a ranked project that this host's containers downloaded, where a budget has
// them stocked: a [Budgeter] chooses by itself.
func (w *world) missed(project string) (pins []*snapshot.Pin) {
	e := w.Entries[project]
	if _, chooses := w.World.(Budgeter); chooses || w.Exact || !w.budgeted() || len(e.Pins) > 0 {
		return nil
	}
	for _, version := range e.Missed {
		pins = append(pins, pinOf(project, version))
	}
	return pins
}

// pinsOf are the versions that were counted, each once.
func pinsOf(project string, counted []popularity.Version) (pins []*snapshot.Pin) {
	seen := map[string]bool{}
	for _, v := range counted {
		if !seen[v.Version] && v.Version != "" {
			pins = append(pins, pinOf(project, v.Version))
		}
		seen[v.Version] = true
	}
	return pins
}

func pinOf(project, version string) *snapshot.Pin {
	return &snapshot.Pin{Name: project, Version: version, Spellings: []string{version}}
}

func (w *world) layersWanted() bool { return w.cfg.Layers != NoLayers || len(w.cfg.Locks) > 0 }
