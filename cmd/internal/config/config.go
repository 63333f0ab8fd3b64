package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"

	"larder/snapshot"
	"larder/snapshot/ecosystem"
)

// DefaultPath is where the operator's file is looked for when none is named.
const DefaultPath = "/etc/larder/config.toml"

// DefaultStore is the store when neither a flag, LARDER_STORE nor the file
// names one.
const DefaultStore = "/var/lib/larder"

// maxSize bounds the file: a thousand profiles fit in a tenth of it.
const maxSize = 1 << 20

// ErrConfig is wrapped by every error of this package: the file, or a name
// looked up in it, cannot be used. It is a usage error (exit 2).
var ErrConfig = errors.New("configuration")

// Config is the whole file with every default filled in.
type Config struct {
	Store   string             `toml:"store"`
	Metrics string             `toml:"metrics"`
	Rank    Rank               `toml:"rank"`
	Build   Build              `toml:"build"`
	Run     Run                `toml:"run"`
	Mount   Mount              `toml:"mount"`
	GC      GC                 `toml:"gc"`
	Profile map[string]Profile `toml:"profile"`
}

// Rank is where the ranking comes from and how much of it is wanted; larder
// build plans from it too.
type Rank struct {
	Wanted                // of the first ecosystem
	Weight     Weight     `toml:"weight"`
	ClickHouse ClickHouse `toml:"clickhouse"`
	Source     []Source   `toml:"source"`

	Ecosystem map[string]*Wanted `toml:"ecosystem"` // the others that are ranked, by name
}

// Wanted is what is stocked of one ecosystem without a lock.
type Wanted struct {
	Ranking []string `toml:"ranking"`
	Top     int      `toml:"top"`
	Budget  *Size    `toml:"budget"` // nil: none
	Include []string `toml:"include"`
	Exclude []string `toml:"exclude"`
	Pin     []string `toml:"pin"`
}

// Of is what is wanted of an ecosystem, "" being the first.
func (r Rank) Of(ecosystem string) Wanted {
	if ecosystem == "" {
		return r.Wanted
	}
	if w := r.Ecosystem[ecosystem]; w != nil {
		return *w
	}
	return Wanted{Top: defaultTop}
}

// Want is where to write what is wanted of an ecosystem: what there is not, is made.
func (r *Rank) Want(ecosystem string) *Wanted {
	if ecosystem == "" {
		return &r.Wanted
	}
	if r.Ecosystem == nil {
		r.Ecosystem = map[string]*Wanted{}
	}
	if r.Ecosystem[ecosystem] == nil {
		r.Ecosystem[ecosystem] = &Wanted{Top: defaultTop}
	}
	return r.Ecosystem[ecosystem]
}

// Ranked are the names of what the file ranks, "" being the first ecosystem.
func (r Rank) Ranked() []string {
	return append([]string{""}, slices.Sorted(maps.Keys(r.Ecosystem))...)
}

// RankTable is the table of the file that says what is wanted of an ecosystem.
func RankTable(ecosystem string) string {
	if ecosystem == "" {
		return "rank"
	}
	return "rank.ecosystem." + ecosystem
}

// defaultTop is how much of a ranking is stocked where nobody says.
const defaultTop = 1000

// Weight says what the first place of each source is worth against those of the
// others; 0 leaves it out.
type Weight struct {
	Rankings   float64 `toml:"rankings"`
	Misses     float64 `toml:"misses"`
	ClickHouse float64 `toml:"clickhouse"`
}

// ClickHouse is a server with the public download counts; without an endpoint
// none is asked.
type ClickHouse struct {
	Endpoint   string   `toml:"endpoint"`
	Projects   int      `toml:"projects"`
	Days       int      `toml:"days"`
	Versions   int      `toml:"versions"`
	Installers []string `toml:"installers"`
}

// Source is one more kind of ranking, with its own months.
type Source struct {
	Name    string   `toml:"name"`
	Weight  float64  `toml:"weight"`
	Ranking []string `toml:"ranking"`
}

// Build holds the defaults of larder build. Timeout 0 is for ever.
type Build struct {
	Targets []string `toml:"targets"`
	Pythons []string `toml:"pythons"`
	Views   []string `toml:"views"`
	Locks   []string `toml:"locks"`
	Layers  Layers   `toml:"layers"`
	Jobs    int      `toml:"jobs"`
	UV      []string `toml:"uv"`
	Timeout Age      `toml:"timeout"`
	// Which sources are built where an index has no wheel that fits, and of which projects.
	Sdists      snapshot.Built `toml:"sdists"`
	SdistsAllow []string       `toml:"sdists_allow"`
	SdistsDeny  []string       `toml:"sdists_deny"`
	// What machine code is built in, and the shared libraries that it may need.
	SdistsRoot      string   `toml:"sdists_root"`
	SdistsLibraries []string `toml:"sdists_libraries"`
}

// Run holds the defaults of larder run.
type Run struct {
	Snapshot string   `toml:"snapshot"`
	Views    []string `toml:"views"`
	Missing  string   `toml:"missing"`
	Target   string   `toml:"target"`
	// What it trusts of what was built from sources.
	Built    snapshot.Built `toml:"built"`
	Required bool           `toml:"required"`
	// What an instance may take, 0: all there is; and what must be free to make one.
	UpperLimit Size `toml:"upper_limit"`
	MinFree    Size `toml:"min_free"`
}

// Mount holds the defaults of larder mount.
type Mount struct {
	Users []string `toml:"users"`
}

// GC holds the defaults of larder gc.
type GC struct {
	Keep      int `toml:"keep"`
	OlderThan Age `toml:"older_than"`
}

// Default returns what holds when the file says nothing.
func Default() Config {
	return Config{
		Store: DefaultStore,
		Rank:  Rank{Wanted: Wanted{Top: defaultTop}, Weight: Weight{Rankings: 1, Misses: 1, ClickHouse: 1}},
		Build: Build{Views: ecosystem.WrittenViews(), Layers: "auto", Jobs: 16, Timeout: Age(6 * time.Hour)},
		Run:   Run{Snapshot: "current", Views: ecosystem.AttachedViews(), Missing: "warn", Built: snapshot.PureBuilt, MinFree: DefaultMinFree},
		GC:    GC{Keep: 3},
	}
}

// TOML is c as a file that says all of it, what profiles leave out included.
func (c Config) TOML() ([]byte, error) {
	all := map[string]Profile{}
	for _, name := range c.Profiles() {
		all[name] = c.Profile[name].defaults()
	}
	c.Profile = all
	return toml.Marshal(c)
}

// File is a file that was read, with every default filled in.
type File struct {
	Config
	Path string // "" where there is none
	data []byte
}

// Line is the line on which a dotted key is set, or a value of a list, as KEY.0; 0 where none is.
func (f File) Line(key string) int { return Lines(f.data)[key] }

// Where is the place of a key for messages, FILE:LINE; "" where the file does not set it.
func (f File) Where(key string) string {
	if n := f.Line(key); n > 0 {
		return fmt.Sprintf("%s:%d", f.Path, n)
	}
	return ""
}

// Load reads the file at path, or the one at DefaultPath when path is empty.
// Only then may it be missing.
func Load(path string) (Config, error) {
	f, err := Open(path)
	return f.Config, err
}

// Open is Load, for who asks where a value comes from.
func Open(path string) (File, error) { return open(path, DefaultPath) }

func load(path, fallback string) (Config, error) {
	f, err := open(path, fallback)
	return f.Config, err
}

func open(path, fallback string) (File, error) {
	named := path != ""
	if !named {
		path = fallback
	}
	data, err := read(path)
	if errors.Is(err, os.ErrNotExist) && !named {
		return File{Config: Default()}, nil
	}
	if err != nil {
		return File{}, fmt.Errorf("%w: read %s: %w", ErrConfig, path, cause(err))
	}
	c, err := parse(data)
	if err != nil {
		return File{}, fmt.Errorf("%w: %s: %w", ErrConfig, path, err)
	}
	return File{c, path, data}, nil
}

// read opens without waiting (a FIFO would block) and judges the open file,
// never the name, so that what was judged is what is read.
func read(path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		path = abs
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := trusted(info, uint32(os.Geteuid()), snapshot.Unmapped()); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("larger than %d bytes", maxSize)
	}
	return data, nil
}

// trusted says whether root may do what this file says. The owner may be the
// caller as well, so that an unprivileged user can keep a file for ls and show;
// for the hook, which is root, that is root alone. In a user namespace, where rootless engines run
// their hooks, the host's root and everybody else outside are one user: outside, 0 for none.
func trusted(info os.FileInfo, euid, outside uint32) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("not a regular file")
	}
	if perm := info.Mode().Perm(); perm&0o022 != 0 {
		return fmt.Errorf("mode %04o lets others write it: chmod go-w it", perm)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && outside != 0 && st.Uid == outside {
		return fmt.Errorf("its owner is not in this user namespace, where a rootless engine runs the hook: name a file of the engine's user with --config")
	}
	if ok && st.Uid != 0 && st.Uid != euid {
		return fmt.Errorf("owned by uid %d, not by root: chown it to root", st.Uid)
	}
	return nil
}

// cause drops the path from a *PathError: the caller prints it already.
func cause(err error) error {
	if pe, ok := errors.AsType[*os.PathError](err); ok {
		return pe.Err
	}
	return err
}
