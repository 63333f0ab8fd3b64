// Package ecosystem is the seam between Larder and the worlds of packages that it serves. Store,
// mounts and builder know no ecosystem: they call what is declared here, and a program registers
// those it links.
//
// All ecosystems have the same parts. Projects have names and versions. An index offers files under
// digests of its own: artifacts. What an artifact is when it is installed on a target is a layer. A lock
// names artifacts; its layers, mounted as one directory, are an environment. Clients keep caches,
// which views of a snapshot fill. What a container had to download shows in what its clients left.
//
// Here is what attaches and what all programs know. The other half, what builds, is in
// builder/ecosystem.go, so that the hook links no index and no archive.
package ecosystem

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"larder/snapshot"
)

// Ecosystem is one world of packages: rows of Larder's tables, and what only it knows how to do.
type Ecosystem struct {
	Name     string   // its package-url type, such as "npm"
	Artifact string   // what its people call an artifact, such as "tarball"
	Clients  []Client // the tools whose caches are served
	Attached []string // views that are attached where none is named
	Views    []string // views of no client, such as a static index

	Normalize func(project string) string // of what people write; nil where names have one spelling
	Package   func(project string) string // what people call a project of a snapshot; nil where that is its spelling
	// SameVersion says whether two spellings are one version; nil where each has one.
	SameVersion func(a, b string) bool

	// Describe tells people what a target's or an artifact's detail says, in a few words; "" is nothing.
	Describe func(detail json.RawMessage) string

	Names        Names        // nil: nothing of it is ranked
	Locks        Locks        // nil: it has none
	Environments Environments // nil: its locks are not mounted
	Leftovers    Leftovers    // nil: uppers are not read for it
}

// Client is a tool whose cache is served: a row of the one table of clients.
type Client struct {
	Name     string   // names its mount point in profiles, and its part of an instance
	Variable string   // environment variable that moves its cache
	Dir      string   // its cache otherwise: below the user's cache directory, or with "~/" below the home
	Below    string   // the directory of its cache that views are mounted on; "" is the cache itself
	Views    []string // what is mounted there, topmost first
	Built    []string // and above, of what was built from sources: a view of what is pure, one of what is native
}

// Mounted are the views that go on a client's cache where some are wanted, topmost first. What was
// built from sources goes with any of the others, as far as it counts, and above them: of a page of a
// project, which there is one of in each, the one counts that knows most.
func (c Client) Mounted(wanted []string, built snapshot.Built) []string {
	views := slices.DeleteFunc(slices.Clone(c.Views), func(v string) bool { return !slices.Contains(wanted, v) })
	with := len(views) > 0
	for i, v := range c.Built {
		if i < int(built) && (with || slices.Contains(wanted, v)) {
			views = slices.Insert(views, 0, v)
		}
	}
	return views
}

// Names are the rules for what people and public lists write as names. Whatever does not come back ok is
// none, and must not be taken for one.
type Names interface {
	// Project is a snapshot's spelling of a project's name.
	Project(name string) (project string, ok bool)
	// Glob is that of a pattern of names, in which "*" stands for any characters and "?" for one.
	Glob(pattern string) (glob string, ok bool)
	// Version says whether a text can be a version.
	Version(text string) bool
	// Pin reads a project at a version, as people write both together.
	Pin(text string) (project, version string, ok bool)
}

// ReadName reads a project as people name it: by its name, or by its package url, which may say a version.
func (e Ecosystem) ReadName(text string) (project, version string, ok bool) {
	if e.Names == nil {
		return "", "", false
	}
	if snapshot.IsPackageURL(text) {
		of, name, at, err := snapshot.ParsePackageURL(text)
		if err != nil || of != e.Name || at != "" && !e.Names.Version(at) {
			return "", "", false
		}
		text, version = name, at
	}
	project, ok = e.Names.Project(text)
	return project, version, ok
}

// Locks reads lock files.
type Locks interface {
	// IsLock says whether a path is that of one of its formats, as far as its name tells.
	IsLock(path string) bool
	// Read reads locks as one, for a target.
	Read(files Files, paths []string, target snapshot.Target) (*snapshot.Requirements, error)
}

// Environments mounts what locks name. It reads and decides; it mounts nothing and runs nothing.
type Environments interface {
	// Noun is what its people call an environment, such as "virtual environment".
	Noun() string
	// Alone says that an environment is the locks' and nothing else: what is at its place is hidden, and nothing
	// need be there. It has no files of its own, no installer, and is never a private one.
	Alone() bool
	// Usual are the directories where a program that works in wd has its environment; env is the
	// program's own.
	Usual(wd string, env func(string) string) []string
	// Open reads the environment at dir, which wraps fs.ErrNotExist where there is none. An empty
	// dir is a new one, of a command's own.
	Open(files Files, dir string) (Environment, error)
	// New is one to be made where a container has none, of what is among its files, for programs with
	// env.
	New(files Files, env func(string) string) Environment
	// Scripts are the commands that run what packages want to run when they are installed, in an environment
	// mounted at dir; ok is false where no package ever does.
	Scripts(dir string, all []snapshot.Script) (run []Install, ok bool)
	// Installed finds what was installed since a time below a root, in its own files, where programs
	// that work in wd with env look. The root may be a hostile container's, which has ended: what is
	// read is bounded, and nothing outside of it is.
	Installed(root *os.File, wd string, env func(string) string, since time.Time) []Present
}

// Environment is a directory that gets, or has, the packages of locks.
type Environment interface {
	// String says for what it is and where, for messages.
	String() string
	// Targets are those of a snapshot that fit it, this host's own counting first: made are the paths
	// of what the build had at hand for them, such as interpreters, by tag; none where the host's
	// are of no use. More than one is a choice for people.
	Targets(all []snapshot.Target, made map[string]string) []snapshot.Target
	// NeedsInstaller says whether it needs the target's installer beside what is wanted, because own,
	// the directory's own files, has none. It is not called for a target without.
	NeedsInstaller(own *os.File, want *snapshot.Requirements) (bool, error)
	// Mask finds what own has of projects that are mounted above it. It returns what writes whiteouts
	// for it into a directory, nil when there is nothing to hide.
	Mask(own *os.File, projects []string) (write func(dir string) error, err error)
	// Make writes the files of a new environment, without packages, into an empty directory, and says
	// what they were made of: something else makes other files.
	Make(dir string, target snapshot.Target, made string, uid, gid int) (of string, err error)
	// Variables are what a command needs to find it at dir; env is the command's own environment.
	Variables(dir string, env func(string) string) (set map[string]string, unset []string)
	// Install are the commands that install pins into the environment mounted at dir.
	Install(dir string, pins []snapshot.Pin) []Install
}

// Install is a command of an environment's own installer.
type Install struct {
	Name     string   // of the installer, for messages
	Command  []string // where there is Input, the name of a file that holds it is appended
	Input    string
	Unset    []string // variables that it runs without
	Optional string   // what is left as it was when it fails, which then is no failure; "": it is one
}

// Files reads files: those of the host, or those in a container and never any other.
type Files interface {
	ReadFile(path string, limit int64) ([]byte, error) // a longer one is an error
	IsDir(path string) bool
	// Find says where a plain file lies, links followed, and its permissions.
	Find(path string) (at string, mode fs.FileMode, err error)
	// Take counts n bytes that were read of a directory's own files. An error: no more may be read.
	Take(n int64) error
}

// Leftovers finds what a container had to download in what its clients left in an upper. Everything
// there is hostile; whoever calls it bounds what is read.
type Leftovers interface {
	// Enter says whether a directory, by its path from the upper, can hold anything of interest.
	Enter(path []string) bool
	// Look tells what an entry of the directory at path shows, if anything.
	Look(dir Dir, path []string, name string, isDir bool) (Miss, bool)
	// Asked is the key of an index's answer that a client keeps, where an entry is one. It names no
	// project by itself; Keys are those of the answers about a stocked artifact's project.
	Asked(path []string, name string) (key string, ok bool)
	Keys(row snapshot.ManifestArtifact) []string
	// Valid returns a miss with its names normalised, and whether they are names at all.
	Valid(Miss) (Miss, bool)
}

// Dir is a directory of an upper. Only plain files of its own are ever opened.
type Dir interface {
	Read(name string, read func(r io.ReaderAt, size int64) error) error
	Has(dir, file string) bool
	// New says whether a plain file, by its path from the upper, is there and was written as a new one: it is
	// not one of the mount's own whose owner or mode was changed.
	New(path ...string) bool
}

// Miss is one project and version that a container had to get by itself.
type Miss struct {
	Ecosystem string `json:"ecosystem"`
	Project   string `json:"project"`
	Version   string `json:"version"`
	Target    string `json:"target,omitempty"` // what it was for, where the evidence says, in the ecosystem's words
	File      string `json:"file,omitempty"`   // which, where a version has several and one is not had with another
	Kind      string `json:"kind"`
}

// PresentName is the file in an instance with what its container has installed: a list of [Present].
const PresentName = "installed.json"

// Present is a project that a container has installed in its own files, outside of what was mounted.
// Whether it had to be downloaded depends on what was stocked.
type Present struct {
	Miss
	Client string `json:"client,omitempty"` // that installed it, where it says so
}

// The kinds of evidence for a miss.
const (
	Downloaded = "downloaded" // in a client's download cache
	Built      = "built"      // made on the spot: the index has none that fits
	Installed  = "installed"  // in an environment
	Missing    = "missing"    // named by a lock, and not in the snapshot
)

var registered []Ecosystem

// Register makes an ecosystem known to this program. It is called once for each, before anything else.
func Register(e Ecosystem) {
	for _, other := range registered {
		for _, c := range other.Clients {
			if slices.ContainsFunc(e.Clients, func(d Client) bool { return d.Name == c.Name }) {
				panic(fmt.Sprintf("ecosystems %s and %s both have client %s", other.Name, e.Name, c.Name))
			}
		}
		had := other.views()
		if other.Name == e.Name || slices.ContainsFunc(e.views(), func(v string) bool { return slices.Contains(had, v) }) {
			panic(fmt.Sprintf("ecosystems %s and %s have the same name or view", other.Name, e.Name))
		}
	}
	registered = append(registered, e)
}

// Describe is what an ecosystem of this program says of a detail.
func Describe(name string, detail json.RawMessage) string {
	if e, ok := Find(name); ok && e.Describe != nil {
		return e.Describe(detail)
	}
	return ""
}

// Normalize is the spelling of a project that a snapshot has, of what people write.
func Normalize(name, project string) string {
	if e, ok := Find(name); ok && e.Normalize != nil {
		return e.Normalize(project)
	}
	return project
}

// Shown is a project as people are shown it, in a version if one is given. Of the first ecosystem of this
// program, which is meant where none is said, it is the bare name, and sep goes before the version; of
// others it is the package url.
func Shown(name, project, sep, version string) string {
	if len(registered) > 0 && name != "" && name != registered[0].Name {
		if e, ok := Find(name); ok && e.Package != nil {
			project = e.Package(project)
		}
		return snapshot.PackageURL(name, project, version)
	}
	if version == "" {
		return project
	}
	return project + sep + version
}

// Noun is what the people of an ecosystem call its artifacts.
func Noun(name string) string {
	if e, ok := Find(name); ok {
		return e.Artifact
	}
	return "artifact"
}

// All are the ecosystems of this program.
func All() []Ecosystem { return slices.Clone(registered) }

// Find returns the ecosystem of a name.
func Find(name string) (Ecosystem, bool) {
	at := slices.IndexFunc(registered, func(e Ecosystem) bool { return e.Name == name })
	if at < 0 {
		return Ecosystem{}, false
	}
	return registered[at], true
}

// Clients is the table of clients, in the order they are attached.
func Clients() []Client {
	var all []Client
	for _, e := range registered {
		all = append(all, e.Clients...)
	}
	return all
}

// ForLock is the place in all of the ecosystem that reads a lock: the one that knows its name, else
// the first that reads any, since a file may have any name; -1 when none does.
func ForLock(all []Ecosystem, path string) int {
	at := slices.IndexFunc(all, func(e Ecosystem) bool { return e.knows(path) })
	if at < 0 {
		at = slices.IndexFunc(all, func(e Ecosystem) bool { return e.Locks != nil })
	}
	return at
}

// knows says whether a path is that of one of the ecosystem's locks.
func (e Ecosystem) knows(path string) bool { return e.Locks != nil && e.Locks.IsLock(path) }

// ForLocks is the ecosystem whose environment locks make together: that of those it knows by name. One whose
// locks are not mounted has none.
func ForLocks(paths []string) (Ecosystem, error) {
	for _, path := range paths {
		if at := slices.IndexFunc(registered, func(e Ecosystem) bool { return e.knows(path) }); at >= 0 && registered[at].Environments == nil {
			e := registered[at]
			return Ecosystem{}, fmt.Errorf("%s is of ecosystem %s, which has no environments: what larder build --lock stocks of it is in view %s", path, e.Name, strings.Join(e.views(), ", "))
		}
	}
	all := slices.DeleteFunc(All(), func(e Ecosystem) bool { return e.Locks == nil || e.Environments == nil })
	if len(all) == 0 {
		return Ecosystem{}, errors.New("this program mounts no locks")
	}
	known := slices.DeleteFunc(slices.Clone(all), func(e Ecosystem) bool { return !slices.ContainsFunc(paths, e.knows) })
	switch len(known) {
	case 0:
		return all[0], nil
	case 1:
		return known[0], nil
	}
	return Ecosystem{}, fmt.Errorf("%s are locks of more than one ecosystem: mount them one by one", strings.Join(paths, ", "))
}

// Views are the names of all views a snapshot can have.
func Views() []string {
	var all []string
	for _, e := range registered {
		all = append(all, e.views()...)
	}
	return all
}

// AttachedViews are what a command or a container gets where none is named, and WrittenViews what a
// build writes.
func AttachedViews() []string {
	var all []string
	for _, e := range registered {
		all = append(all, e.Attached...)
	}
	return all
}

func WrittenViews() []string {
	all := AttachedViews()
	for _, e := range registered {
		all = append(all, e.Views...)
	}
	return all
}

// Needs is what has to count for a view to be mounted.
func Needs(view string) snapshot.Built {
	for _, c := range Clients() {
		if at := slices.Index(c.Built, view); at >= 0 {
			return snapshot.Built(at + 1)
		}
	}
	return snapshot.NoBuilt
}

func (e Ecosystem) views() []string {
	var all []string
	for _, c := range e.Clients {
		all = append(append(all, c.Views...), c.Built...)
	}
	return append(all, e.Views...)
}
