package wheel

import (
	"io"
	"path"
	"strings"

	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// Wheel is a wheel that was not refused.
type Wheel struct {
	Name        Name
	Filename    string
	DistInfo    string // the name of its .dist-info directory
	Metadata    Metadata
	EntryPoints EntryPoints

	files  []*File
	record []Row
}

// Bounds of the texts in .dist-info. The largest of real wheels: METADATA 0.4 MB, RECORD 4 MB.
const (
	maxMetadata    = 16 << 20
	maxWheelText   = 1 << 20
	maxEntryPoints = 1 << 20
	maxRecord      = 64 << 20
)

// Open checks the wheel of the given file name in the size bytes of r, with the
// default limits. r must stay readable while the Wheel's files are read. Errors
// are *Refusal, or r's own.
func Open(r io.ReaderAt, size int64, filename string) (*Wheel, error) {
	return openWithin(r, size, filename, limits{})
}

func openWithin(r io.ReaderAt, size int64, filename string, most limits) (*Wheel, error) {
	name, err := ParseName(filename)
	if err != nil {
		return nil, err
	}
	w := &Wheel{Name: name, Filename: filename}
	if err := w.readZip(r, size, most.orDefault()); err != nil {
		return nil, w.refusal(err)
	}
	for _, step := range []func() error{w.findDistInfo, w.readMetadata, w.readWheelText, w.readEntryPoints, w.checkPlaces, w.readRecord} {
		if err := step(); err != nil {
			return nil, w.refusal(err)
		}
	}
	return w, nil
}

// Memory is what opening a wheel of size bytes and making a layer of it takes at most,
// in bytes, compiling left out: its directory and lists of names several times over,
// the texts of .dist-info, and the sources on their way to the compiler and back.
func Memory(size int64) int64 {
	const texts, directory = 256 << 20, 64 << 20
	return texts + 4*min(size, directory)
}

// Files are the wheel's files in the order of its directory.
func (w *Wheel) Files() []*File { return w.files }

// Record is the content of RECORD, row by row.
func (w *Wheel) Record() []Row { return w.record }

// Verify reads every file against its size and checksum. It is for a wheel that is
// only served; making a layer of one does the same on the way.
func (w *Wheel) Verify() error {
	for _, f := range w.files {
		if err := w.drain(f); err != nil {
			return err
		}
	}
	return nil
}

// find returns the file of that name, nil when there is none.
func (w *Wheel) find(name string) *File {
	for _, f := range w.files {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// text reads a file of .dist-info; ok is false when there is none.
func (w *Wheel) text(base string, limit int64) (b []byte, ok bool, err error) {
	name := w.DistInfo + "/" + base
	f := w.find(name)
	if f == nil {
		return nil, false, nil
	}
	if f.Size > limit {
		return nil, true, refuseEntry(name, "is larger than %d bytes", limit)
	}
	r, err := w.Open(f)
	if err != nil {
		return nil, true, err
	}
	defer r.Close()
	b, err = io.ReadAll(r)
	return b, true, err
}

// findDistInfo finds the one .dist-info directory and compares its name with the
// file's. As pip, it looks at the first component of every name.
func (w *Wheel) findDistInfo() error {
	for _, f := range w.files {
		top, _, _ := strings.Cut(f.Name, "/")
		if !strings.HasSuffix(top, ".dist-info") || top == w.DistInfo {
			continue
		}
		if w.DistInfo != "" {
			return refuse("has two .dist-info directories, %s and %s", Quote(w.DistInfo), Quote(top))
		}
		w.DistInfo = top
	}
	if w.DistInfo == "" {
		return refuse("has no .dist-info directory")
	}
	project, version, ok := strings.Cut(strings.TrimSuffix(w.DistInfo, ".dist-info"), "-")
	for ok && pep508.Normalize(project) != w.Name.Project {
		// Some old ones kept the "-" of the project's name.
		var more string
		more, version, ok = strings.Cut(version, "-")
		project += "-" + more
	}
	if !ok || !sameVersion(version, w.Name.Version) {
		return refuseEntry(w.DistInfo, "is not named after the wheel")
	}
	return nil
}

// sameVersion compares as PEP 440 does: 1.0 and 1.0.0 are one version.
func sameVersion(a, b string) bool {
	v, err := pep440.Parse(b)
	if err != nil {
		return false
	}
	for _, text := range []string{a, strings.ReplaceAll(a, "_", "-")} {
		if u, err := pep440.Parse(text); err == nil && u.Compare(v) == 0 {
			return true
		}
	}
	return false
}

// checkPlaces looks at where files would go, beyond their names being sane.
func (w *Wheel) checkPlaces() error {
	for _, f := range w.files {
		top, rest, _ := strings.Cut(f.Name, "/")
		if strings.HasSuffix(top, ".data") {
			if err := checkData(f.Name, rest); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkData checks a file below a .data directory: <key>/<path>. pip takes any
// top-level name that ends in .data for one.
func checkData(name, rest string) error {
	key, below, ok := strings.Cut(rest, "/")
	if !ok {
		return refuseEntry(name, "is not in a directory of .data")
	}
	switch key {
	case "purelib", "platlib", "headers":
	case "scripts":
		if isPython(below) {
			return refuseEntry(name, "would replace the environment's interpreter")
		}
	case "data":
		dir, base := path.Split(below)
		if dir == "bin/" && isPython(base) {
			return refuseEntry(name, "would replace the environment's interpreter")
		}
		if below == "pyvenv.cfg" {
			return refuseEntry(name, "would replace the environment's configuration")
		}
		// Where lib64 is a link to lib, two names would be one file.
		if first, _, _ := strings.Cut(below, "/"); first == "lib64" {
			return refuseEntry(name, "is in lib64, which is lib under another name")
		}
	default:
		return refuseEntry(name, "is in %s, which is no directory of .data", Quote(key))
	}
	return nil
}

// isPython says whether a command of that name would stand before the
// environment's own interpreter: python, python3, python3.11, pythonw and the like,
// in any case, as file systems without case would have it.
func isPython(name string) bool {
	rest, ok := strings.CutPrefix(strings.ToLower(name), "python")
	if !ok {
		return false
	}
	rest = strings.TrimPrefix(rest, "w")
	rest = strings.TrimSuffix(strings.TrimSuffix(rest, ".exe"), "t")
	return strings.Trim(rest, "0123456789.") == ""
}
