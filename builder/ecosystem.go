package builder

import (
	"context"
	"encoding/json"
	"io"
	"slices"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
	"larder/snapshot/image"
)

// Ecosystem is an ecosystem whose snapshots this program builds.
type Ecosystem struct {
	ecosystem.Ecosystem        // what store, mounts and commands know of it
	Writers             []View // of its views
	Installer           string // project of its own installer, stocked wherever layers are; "" is none

	// Exact says that nothing stands for a ranked project's newest version: those are stocked that its ranking names.
	Exact bool

	// Owns says whether a tag that people name is one of its targets, as far as its form tells; nil: all are that
	// nobody else owns.
	Owns func(tag string) bool
	// Targets resolves the tags that people name; none stands for what the host has. The programs, by
	// tag, are those to take where they are still what they were.
	Targets func(ctx context.Context, tags []string, programs map[string]string) ([]Target, error)
	// Digest is the index's digest of an artifact of a snapshot; nil where that is its SHA-256.
	Digest func(row snapshot.ManifestArtifact) string
	// Open begins a build. Targets and locks of cfg are this ecosystem's own; Warn may be
	// called from any goroutine. There is no stage in a dry run.
	Open func(ctx context.Context, cfg Config, stage *snapshot.Stage) (World, error)
}

// World is an ecosystem while a build asks its index and unpacks its artifacts. Its methods are
// called from many goroutines. What it cannot know because the index is silent is an error that
// Silence marked: then the index is to blame, and not what was asked for.
type World interface {
	// Choose asks the index for a project, and answers each wish in turn. An error is of all.
	Choose(ctx context.Context, project string, wishes []Wish) ([]Choice, error)
	// Known is the pick of an artifact that the previous snapshot has.
	Known(row snapshot.ManifestArtifact, target string) (*Pick, error)
	// Fetch downloads an artifact. Without an error, the bytes have the index's digest.
	Fetch(ctx context.Context, a Artifact, to Sink) error
	// Reuse takes over what the previous snapshot says of an item, which has that row's Detail; false
	// means that it has to be unpacked.
	Reuse(it *Item, row snapshot.ManifestArtifact) bool
	// Unpack reads an artifact, checks all of it unless it.Known, sets Detail and Parts, and makes the
	// layer of each pick of it.Unmade. It returns the picks that turned out not to fit their target.
	// The context is one for all calls.
	Unpack(ctx context.Context, it *Item, artifact Reader, put Put) ([]Unfit, error)
	Close()
}

// Estimator is a World that can tell what a dry run lists beside the names.
type Estimator interface {
	// Size asks for the size of an artifact when no page tells.
	Size(ctx context.Context, a Artifact) (int64, error)
	// Disk estimates what an artifact of known size adds to the disk, unpacked as so many layers
	// and copied into so many views.
	Disk(a Artifact, layers, copies int) int64
}

// Budgeter is a World that can choose what a budget takes. For one that is an [Estimator] and no Budgeter,
// artifacts are taken in the order of the ranking until the budget is full: of each project the newest version, then
// those that this host's containers had to download.
type Budgeter interface {
	// Fit chooses among what ranked wishes had it offer. What is fixed is taken anyway. It may
	// fetch to know more; fetch is nil in a dry run.
	Fit(ctx context.Context, fixed []*Pick, fetch func(context.Context, Artifact) error) ([]*Pick, *BudgetReport, error)
}

// Keeper is a World that keeps something of what was stocked, beside what is published.
type Keeper interface {
	// Keep is called once all is stocked, before anything of it is sealed.
	Keep() error
}

// Maker is a World that can build artifacts from sources.
type Maker interface {
	// Make builds the source of a pick for its target, by the recipe that the store has for it, else by
	// a new one that it keeps there. The pick becomes one of what was put into the pool, with Built. An error
	// that is no HostFault is about the source.
	Make(ctx context.Context, p *Pick, source Reader, put Put) error
	// Source is what a recipe is of.
	Source(r snapshot.Recipe) Artifact
	// Remake builds it again by nothing but its recipe.
	Remake(ctx context.Context, r snapshot.Recipe, source Reader, put Put) (snapshot.Object, int64, error)
}

// Answerer is a World whose views have what the index says of projects, beside their artifacts.
type Answerer interface {
	// Answers notes in the Detail of items, all of this ecosystem that the snapshot gets, what the index says now of
	// their projects. What cannot be had is warned of; an error is the host's, or that of the context. A snapshot
	// that is made again has the details that it had.
	Answers(ctx context.Context, items []*Item) (*AnswersReport, error)
}

// Bundler is a World whose targets bring an installer of their own, stocked where the index has none.
type Bundler interface {
	Bundled(ctx context.Context, t Target) (*Pick, Reader, error)
}

// Target is what artifacts are stocked for.
type Target struct {
	snapshot.Target        // its row in the manifest
	Program         string // path of the interpreter that layers are made with; "" is none on this host
	Own             any    // the ecosystem's
}

// Wish asks for one artifact of a project; a ranked one, for what its version has.
type Wish struct {
	Target  string
	Pin     *snapshot.Pin   // of a lock, or of the operator for a ranked project; nil is the newest version
	Place   int             // in the ranking, from 1. With a budget, a ranked project's versions are offered to it
	Without map[string]bool // by digest: artifacts that turned out not to fit
	Ready   bool            // no source will do
}

// Choice answers a Wish: what to stock, why there is none, or neither when a budget decides.
type Choice struct {
	Pick *Pick
	With []*Pick // what else a ranked version has, each an artifact of its own
	Err  error
}

// Artifact is a file that an index offers.
type Artifact struct {
	Project, Version string // each a name in a path
	Filename         string

	Digest string          // what tells artifacts apart: as the index publishes it, in hexadecimal; where names may share bytes, with the name
	Object snapshot.Object // its bytes; zero when the digest is no SHA-256 and it is not fetched yet
	Size   int64           // -1 when the index does not tell
	URL    string          // "" when no index offers it
	Index  string          // root of the index
	Source bool            // it is a source, of which an artifact is made before anything else
	ByLock bool            // a lock told all of this, and the index was not asked: it is, where that cannot be fetched
	Own    any             // the ecosystem's

	// Built says what this was made of; nil for what the index publishes. URL and Index are then the
	// source's, all else its own.
	Built *snapshot.ManifestBuilt
}

// key tells artifacts of an ecosystem apart: what was built is never taken for what an index publishes.
func (a Artifact) key() string { return artifactKey(a.Digest, a.Built != nil) }

func artifactKey(digest string, built bool) string {
	if built {
		return "built " + digest
	}
	return digest
}

// digests are those by which it can be denied.
func (a Artifact) digests() []string {
	all := []string{a.Digest, a.Object.Digest.String()}
	if a.Built != nil {
		all = append(all, a.Built.Source.String())
	}
	return all
}

// Pick is an artifact to stock for one target.
type Pick struct {
	Artifact
	Target  string
	LayerID string   // 12 hexadecimal digits of a digest over the target and all that decides the layer; "" of a source, and of what views alone have
	Names   []string // of its version, below by-name/
	Order   int      // among artifacts of one version: the least is preferred
	Locked  bool     // a lock names it: to miss it fails the build
	Tool    bool     // an installer that nobody asked for by name
	Packed  bool     // a budget keeps it as it is, without a layer, unless a lock names it

	Layer   []image.Entry // the artifact as installed; nil when it is not made
	layered bool          // it gets a layer
	place   int           // in the ranking, from 1; 0 of what is not ranked
	missed  bool          // it is ranked as a version that this host's containers downloaded
	merged  *Pick         // the one that stands for it, too
	world   *world
	item    *Item
}

// Unfit is a pick that turned out not to fit its target.
type Unfit struct {
	Pick *Pick
	Err  error

	skipped bool // and it is said
}

// Item is an artifact on its way into the snapshot, with all picks of it.
type Item struct {
	Artifact
	Picks  []*Pick
	Known  bool            // the previous snapshot has it: it was read whole once
	Detail json.RawMessage // of its row in the manifest
	Parts  any             // what its views serve besides its bytes: the ecosystem's

	world  *world
	made   map[string]made // entries of views that were made or reused, by path
	signed bool            // its URL had a query
	served bool            // a view of the previous snapshot has its bytes
	reused bool            // the previous snapshot has all that is wanted of it
	lost   bool            // it cannot be had
}

// Unmade are the picks that want a layer and have none yet.
func (it *Item) Unmade() []*Pick {
	var picks []*Pick
	for _, p := range it.Picks {
		if p.layered && p.Layer == nil {
			picks = append(picks, p)
		}
	}
	return picks
}

// View writes a client's cache, or a static index, below views/NAME of the image.
type View struct {
	Name   string
	Built  snapshot.Built // the least that counts what it has: NoBuilt is what indexes publish
	Copies bool           // it holds each artifact once more
	// Entries are what the view has of an artifact; nil for none.
	Entries func(it *Item) []ViewEntry
	// Pages are what it has of all of them; nil for none.
	Pages func(items []*Item) ([]ViewEntry, error)
	// Fill has the client's own programs write the view; nil where Entries and Pages know its format.
	Fill *Fill
}

// has says whether an artifact belongs into the view. What no index serves is in none.
func (v View) has(it *Item) bool { return it.URL != "" && v.Built == it.Built.Needs() }

func (v View) entries(it *Item) []ViewEntry {
	if v.Entries == nil || !v.has(it) {
		return nil
	}
	return v.Entries(it)
}

// ViewEntry is one file of a view, with one kind of content.
type ViewEntry struct {
	Path string // below the view

	Bytes  []byte          // what is known without the artifact
	Object snapshot.Object // what is in the pool: the artifact, or a part of it that was put there
	Size   int64           // of Object
	Link   string          // the path below the view that this is a symbolic link to
	// Make writes it from the artifact, once: later builds take it from the previous snapshot. The
	// error is a warning, and the view goes without.
	Make func(artifact io.Reader) (io.Reader, error)
}

// Put stores one file's content.
type Put = image.Put

// Reader reads an artifact.
type Reader interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

// Sink takes an artifact's bytes. Truncate forgets them: the download starts again.
type Sink interface {
	io.Writer
	Truncate() error
}

var registered []Ecosystem

// Register makes an ecosystem known to this program, to its builds and to all else. The first is the
// one that is meant where none is said, and reads the locks that no other claims.
func Register(e Ecosystem) {
	ecosystem.Register(e.Ecosystem)
	registered = append(registered, e)
}

// ViewNames are the views that builds can write.
func ViewNames() (names []string) {
	for _, e := range registered {
		for _, v := range e.Writers {
			names = append(names, v.Name)
		}
	}
	return names
}

// FindTargets resolves target tags for the ecosystems of locks, and for those that are ranked; for the first
// where nothing is asked for.
// Without one of its own, an ecosystem has those among had, with their programs, else what the host has. A tag
// that none owns is the first's to refuse.
func FindTargets(ctx context.Context, locks, ranked, tags []string, had []Target) ([]Target, error) {
	var all []Target
	first := true
	for i, e := range registered {
		mine := slices.ContainsFunc(locks, func(path string) bool { return ecosystem.ForLock(rows(registered), path) == i })
		if !mine && !slices.Contains(ranked, e.Name) && (i > 0 || len(ranked)+len(locks) > 0) {
			continue
		}
		wanted, programs := ofOwner(tags, i, first), map[string]string{}
		first = false
		for _, t := range had {
			if len(tags) == 0 && t.Ecosystem == e.Name {
				wanted, programs[t.Tag] = append(wanted, t.Tag), t.Program
			}
		}
		found, err := e.Targets(ctx, wanted, programs)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// ofOwner are the tags of the ecosystem at a place, and those that none owns where they are its, too.
func ofOwner(tags []string, at int, orphans bool) []string {
	return slices.DeleteFunc(slices.Clone(tags), func(tag string) bool {
		owner := slices.IndexFunc(registered, func(e Ecosystem) bool { return e.Owns != nil && e.Owns(tag) })
		return owner != at && (owner >= 0 || !orphans)
	})
}

// rows are what all else knows of ecosystems.
func rows(all []Ecosystem) []ecosystem.Ecosystem {
	rows := make([]ecosystem.Ecosystem, len(all))
	for i, e := range all {
		rows[i] = e.Ecosystem
	}
	return rows
}
