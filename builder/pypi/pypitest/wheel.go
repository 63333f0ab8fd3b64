package pypitest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// Wheel describes a wheel. Its zero value with a Name is an installable wheel,
// version 1.0, py3-none-any, with one module.
type Wheel struct {
	Name    string // as in METADATA; "demo" when empty
	Version string // "1.0" when empty
	Build   string
	Tag     string // "py3-none-any" when empty; sets joined by "." as in the file name

	Requires       []string // Requires-Dist
	RequiresPython string
	Extras         []string // Provides-Extra
	Summary        string

	// Files by their path in the wheel. Without any (nil), one module named after
	// the project: NAME.py with __version__ and main().
	Files []File

	Console []string // entry points, "name = module:function"
	GUI     []string
	Scripts []File // below .data/scripts, executable unless they say otherwise
	Data    []File // below .data/data
	Headers []File // below .data/headers
	Platlib []File // below .data/platlib
	Purelib []File // below .data/purelib
	Impure  bool   // Root-Is-Purelib: false

	// Forms that real wheels have.
	Dirs        bool // directory entries
	Descriptors bool // data descriptors, as stream writers make them
	Stored      bool // nothing compressed
	Windows     bool // made on FAT: no mode bits
	NoHashes    bool // rows of RECORD without hash and size

	// Other texts than the usual ones; "-" leaves the file out.
	Metadata    string
	WheelText   string
	Record      string
	EntryPoints string
	DistInfo    string // other name of the .dist-info directory

	// EditRecord and Edit change RECORD's rows and the archive before writing.
	EditRecord func(rows []string) []string
	Edit       func(a *Archive)
	File       string // another file name
}

// File is one file of a wheel.
type File struct {
	Path string
	Text string
	Exec bool
	Mode uint32 // the whole Unix mode, type included; 0 means by Exec
}

func (w Wheel) name() string {
	if w.Name == "" {
		return "demo"
	}
	return w.Name
}

func (w Wheel) version() string {
	if w.Version == "" {
		return "1.0"
	}
	return w.Version
}

func (w Wheel) tag() string {
	if w.Tag == "" {
		return "py3-none-any"
	}
	return w.Tag
}

// escaped is the project's name as the parts of file names have it.
func (w Wheel) escaped() string {
	return strings.NewReplacer("-", "_", ".", "_").Replace(w.name())
}

func (w Wheel) stem() string { return w.escaped() + "-" + w.version() }

// Filename is the wheel's file name.
func (w Wheel) Filename() string {
	if w.File != "" {
		return w.File
	}
	stem := w.stem()
	if w.Build != "" {
		stem += "-" + w.Build
	}
	return stem + "-" + w.tag() + ".whl"
}

// MetadataText is the content of METADATA, as an index serves it beside the wheel.
func (w Wheel) MetadataText() string {
	if w.Metadata != "" {
		return w.Metadata
	}
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
	}
	line("Metadata-Version", "2.1")
	line("Name", w.name())
	line("Version", w.version())
	line("Summary", w.Summary)
	line("Requires-Python", w.RequiresPython)
	for _, e := range w.Extras {
		line("Provides-Extra", e)
	}
	for _, r := range w.Requires {
		line("Requires-Dist", r)
	}
	return b.String()
}

func (w Wheel) wheelText() string {
	if w.WheelText != "" {
		return w.WheelText
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Wheel-Version: 1.0\nGenerator: wheeltest\nRoot-Is-Purelib: %t\n", !w.Impure)
	if w.Build != "" {
		fmt.Fprintf(&b, "Build: %s\n", w.Build)
	}
	parts := strings.Split(w.tag(), "-")
	for _, py := range strings.Split(parts[0], ".") {
		for _, abi := range strings.Split(parts[1], ".") {
			for _, platform := range strings.Split(parts[2], ".") {
				fmt.Fprintf(&b, "Tag: %s-%s-%s\n", py, abi, platform)
			}
		}
	}
	return b.String()
}

func (w Wheel) entryPoints() string {
	if w.EntryPoints != "" {
		return w.EntryPoints
	}
	var b strings.Builder
	for _, g := range []struct {
		name  string
		lines []string
	}{{"console_scripts", w.Console}, {"gui_scripts", w.GUI}} {
		if len(g.lines) > 0 {
			fmt.Fprintf(&b, "[%s]\n%s\n\n", g.name, strings.Join(g.lines, "\n"))
		}
	}
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}

// all lists every file with its path in the archive, RECORD left out.
func (w Wheel) all() []File {
	files := w.Files
	if files == nil {
		files = []File{{Path: w.escaped() + ".py", Text: fmt.Sprintf(
			"__version__ = %q\n\n\ndef main():\n    print(%q)\n", w.version(), w.name()+" "+w.version())}}
	}
	files = append([]File(nil), files...)
	for _, g := range []struct {
		key   string
		files []File
	}{{"platlib", w.Platlib}, {"purelib", w.Purelib}, {"headers", w.Headers}, {"scripts", w.Scripts}, {"data", w.Data}} {
		for _, f := range g.files {
			f.Path = w.stem() + ".data/" + g.key + "/" + f.Path
			f.Exec = f.Exec || g.key == "scripts"
			files = append(files, f)
		}
	}
	for _, f := range []File{
		{Path: "METADATA", Text: w.MetadataText()},
		{Path: "WHEEL", Text: w.wheelText()},
		{Path: "entry_points.txt", Text: w.entryPoints()},
	} {
		if f.Text != "-" {
			f.Path = w.distInfo() + "/" + f.Path
			files = append(files, f)
		}
	}
	return files
}

func (w Wheel) distInfo() string {
	if w.DistInfo != "" {
		return w.DistInfo
	}
	return w.stem() + ".dist-info"
}

// RecordRow is a row of RECORD as build tools write it.
func RecordRow(path, content string) string {
	sum := sha256.Sum256([]byte(content))
	return fmt.Sprintf("%s,sha256=%s,%d", quoteCSV(path), base64.RawURLEncoding.EncodeToString(sum[:]), len(content))
}

func quoteCSV(s string) string {
	if strings.ContainsAny(s, "\",\r\n") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

func (w Wheel) recordText(files []File) string {
	if w.Record != "" {
		return w.Record
	}
	var rows []string
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Path, "/"):
		case w.NoHashes:
			rows = append(rows, quoteCSV(f.Path)+",,")
		default:
			rows = append(rows, RecordRow(f.Path, f.Text))
		}
	}
	rows = append(rows, w.distInfo()+"/RECORD,,")
	if w.EditRecord != nil {
		rows = w.EditRecord(rows)
	}
	return strings.Join(rows, "\n") + "\n"
}

// Archive is the zip file, before writing.
func (w Wheel) Archive() *Archive {
	files := w.all()
	if record := w.recordText(files); record != "-" {
		files = append(files, File{Path: w.distInfo() + "/RECORD", Text: record})
	}
	a := &Archive{}
	dirs := map[string]bool{}
	for _, f := range files {
		if w.Dirs {
			for i, c := range f.Path {
				if c == '/' && i > 0 && i < len(f.Path)-1 && !dirs[f.Path[:i]] {
					dirs[f.Path[:i]] = true
					a.Entries = append(a.Entries, Entry{Name: f.Path[:i+1], Mode: 0o040755, Stored: true})
				}
			}
		}
		e := Entry{Name: f.Path, Data: f.Text, Mode: f.Mode, Stored: w.Stored, Descriptor: w.Descriptors, FAT: w.Windows}
		switch {
		case w.Windows:
			e.Mode = 0
		case f.Mode == 0 && f.Exec:
			e.Mode = 0o100755
		case f.Mode == 0:
			e.Mode = 0o100644
		}
		a.Entries = append(a.Entries, e)
	}
	if w.Edit != nil {
		w.Edit(a)
	}
	return a
}

// Bytes is the wheel.
func (w Wheel) Bytes() []byte { return w.Archive().Bytes() }
