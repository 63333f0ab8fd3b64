package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// Format is the version of the store's layout on disk, kept in its marker.
const Format = 1

// Epoch is the one time stamp of everything that needs one and has none of its own: objects,
// directories, the image. 1980-01-01, the first day a zip archive can express.
const Epoch = 315532800

// The names in a store. doc.go shows them as a tree, and a test compares the two. What is inside
// misses/, pages/ and rankings/ is named by the packages that write there.
const (
	markerName    = "store.json"
	objectsName   = "objects"
	snapshotsName = "snapshots"
	currentName   = "current"
	turnsName     = "current.json"
	leasesName    = "leases"
	instancesName = "instances"
	stagingName   = "staging"
	trashName     = "trash"
	missesName    = "misses"
	pagesName     = "pages"
	rankingsName  = "rankings"
	historyName   = "history.jsonl"
	checkedName   = "checked"
	usageName     = "usage"
	deniedName    = "denied.json"
	recipesName   = "recipes"
	firstsName    = "firsts"

	imageName     = "image.erofs"
	publishedName = "published.json"
	badName       = "bad.json"
	privateName   = "private"     // in a snapshot's directory: private images
	sealedName    = "sealed.json" // beside a private image
	holderName    = "holder.json" // in staging/: who holds the writer lock, for people

	firstsSuffix = ".jsonl" // in firsts/, after an ecosystem's name

	buildPrefix = "build-" // in staging/: a stage
	tempPrefix  = ".new-"  // anywhere: a file that gets its name once it is whole
	oldPrefix   = ".old-"  // a private image that nobody finds any more

	// In staging/: what gc took out of sight and is about to trash.
	gonePrefix     = "gone-"
	leasePrefix    = "lease-"
	instancePrefix = "instance-"
)

var storeDirs = []string{objectsName, snapshotsName, leasesName, instancesName, stagingName, trashName, missesName}

// Entry is a file or directory with the mode it has in every store.
type Entry struct {
	Path string
	Mode fs.FileMode // type and permissions
}

// layout is what every store in dir has: its own directories, and all 256 of the pool at once, so
// that a publish never has to make one and sync its parent.
func layout(dir string) []Entry {
	var all []Entry
	for _, name := range storeDirs {
		mode := fs.ModeDir | 0o700
		if name == objectsName {
			mode = fs.ModeDir | 0o755
		}
		all = append(all, Entry{filepath.Join(dir, name), mode})
	}
	for i := range 256 {
		all = append(all, Entry{filepath.Join(dir, objectsName, fmt.Sprintf("%02x", i)), fs.ModeDir | 0o755})
	}
	return all
}

// Layout is what every store has, parents first.
func (s *Store) Layout() []Entry {
	return append(layout(s.dir), Entry{s.join(markerName), 0o444})
}

// Optional is what a store has once there was a reason for it.
func (s *Store) Optional() []Entry {
	all := []Entry{{s.HistoryPath(), 0o600}, {s.join(checkedName), 0o600}, {s.PagesDir(), fs.ModeDir | 0o700}, {s.RankingsDir(), fs.ModeDir | 0o700},
		{s.RecipesDir(), fs.ModeDir | 0o700}, {s.FirstsDir(), fs.ModeDir | 0o700}}
	of, _ := s.FirstsOf() // of what is no directory, nothing
	for _, ecosystem := range of {
		all = append(all, Entry{s.FirstsPath(ecosystem), 0o600})
	}
	return all
}

// SnapshotLayout is what every snapshot has, beginning with its directory.
func (s *Store) SnapshotLayout(id ID) []Entry {
	dir := s.SnapshotDir(id)
	return []Entry{{dir, fs.ModeDir | 0o755}, {filepath.Join(dir, imageName), 0o444}, {filepath.Join(dir, publishedName), 0o444}}
}

// Dir is the store's directory.
func (s *Store) Dir() string { return s.dir }

// ObjectsDir is the pool: the data-only layer of every tree.
func (s *Store) ObjectsDir() string { return s.join(objectsName) }

// ObjectsPath is where the pool of a store at dir is, or was: it need not be there.
func ObjectsPath(dir string) string { return filepath.Join(dir, objectsName) }

// SnapshotDir is where a snapshot is, or would be.
func (s *Store) SnapshotDir(id ID) string { return s.join(snapshotsName, id.String()) }

// ImagePath is the image of a snapshot.
func (s *Store) ImagePath(id ID) string { return s.join(snapshotsName, id.String(), imageName) }

// PublishedPath is what a snapshot says about its publication.
func (s *Store) PublishedPath(id ID) string { return s.join(snapshotsName, id.String(), publishedName) }

// MarkerPath is the file that makes a directory a store.
func (s *Store) MarkerPath() string { return s.join(markerName) }

// CurrentPath is the link that decides, TurnsPath what is noted of it.
func (s *Store) CurrentPath() string { return s.join(currentName) }
func (s *Store) TurnsPath() string   { return s.join(turnsName) }

// BadPath is the mark of a snapshot that is not attached any more. Good ones have none.
func (s *Store) BadPath(id ID) string { return s.join(snapshotsName, id.String(), badName) }

// PrivateDir is where the private images of a snapshot are. It is made by the first.
func (s *Store) PrivateDir(id ID) string { return s.join(snapshotsName, id.String(), privateName) }

// InstanceDir is where a holder's writable part belongs: take the lease first, then make it.
func (s *Store) InstanceDir(holder string) string {
	return s.join(instancesName, holderHash(holder))
}

// MissesDir holds the names containers had to download.
func (s *Store) MissesDir() string { return s.join(missesName) }

// PagesDir is where a builder keeps what indexes said. It is made when
// it is needed, and nothing in it is.
func (s *Store) PagesDir() string { return s.join(pagesName) }

// RankingsDir is where the last good answers of ranking addresses are kept. It is made when it is
// needed.
func (s *Store) RankingsDir() string { return s.join(rankingsName) }

// RecipesDir is where it is kept how artifacts were built from sources. It is made by the first.
func (s *Store) RecipesDir() string { return s.join(recipesName) }

// RecipePath is where one of them is.
func (s *Store) RecipePath(id Digest) string { return s.join(recipesName, id.String()+".json") }

// FirstsDir is where it is kept what names of indexes first meant. It is made by the first.
func (s *Store) FirstsDir() string { return s.join(firstsName) }

// FirstsPath is where it is kept of an ecosystem.
func (s *Store) FirstsPath(ecosystem string) string {
	return s.join(firstsName, ecosystem+firstsSuffix)
}

// HistoryPath is the file with one line for each build. It is made by the first.
func (s *Store) HistoryPath() string { return s.join(historyName) }

// UsageDir is where package usage counts. It is made when it is needed.
func (s *Store) UsageDir() string { return s.join(usageName) }

// InstancesDir holds the instances of all containers, TrashDir what is being deleted.
func (s *Store) InstancesDir() string { return s.join(instancesName) }
func (s *Store) TrashDir() string     { return s.join(trashName) }

// LeasePath is where the lease in a file of leases/ is.
func (s *Store) LeasePath(file string) string { return s.join(leasesName, file) }

func (s *Store) join(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// HolderName is the name under which a container holds a snapshot: ids are unique in one root of a
// runtime only, so its bundle belongs to it. A command, or a kept instance, has no bundle.
func HolderName(container, bundle string) string {
	if bundle == "" {
		return container
	}
	return container + "\x00" + filepath.Clean(bundle)
}

// holderHash turns a holder's name, which is not ours to trust, into a file name: 128 bits
// of its SHA-256, so that "..", slashes and 5,000 bytes are all just hexadecimal digits.
func holderHash(holder string) string {
	h := sha256.Sum256([]byte(holder))
	return hex.EncodeToString(h[:16])
}

// The paths inside an image, without a leading slash. They are the index an attach reads.
const ManifestPath = "manifest.json"

// LayerPath is the directory of a layer; its id is 12 hexadecimal digits.
func LayerPath(id string) string { return "l/" + id }

// MergedPath is the directory of an environment merged inside the image.
func MergedPath(id string) string { return "e/" + id }

// TargetPath is the row of one target.
func TargetPath(target string) string { return "targets/" + target + ".json" }

// ByName and ByHash are links to a layer, ByLock one to a merged environment, of what b counts and
// nothing less does: what was built has trees of its own, so that nobody finds what he does not trust.
// A digest is written as the ecosystem's index publishes it; of what was built it is the source's.
func (b Built) ByName(target, project, version string) string {
	return b.below() + "by-name/" + target + "/" + project + "/" + version
}
func (b Built) ByHash(target, digest string) string {
	return b.below() + "by-hash/" + target + "/" + digest
}
func (b Built) ByLock(target, digest string) string {
	return b.below() + "by-lock/" + target + "/" + digest
}

func (b Built) below() string {
	if b == NoBuilt {
		return ""
	}
	return "by-source/" + b.Kinds()[b-1] + "/"
}

// LinkTarget is the relative target of a link at path that points to the directory dir, so that
// it leads to the same place wherever the snapshot is mounted.
func LinkTarget(path, dir string) string {
	return strings.Repeat("../", strings.Count(path, "/")) + dir
}
