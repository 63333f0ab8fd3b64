package main

import (
	"fmt"
	"strings"

	"larder/builder/pypi/pypitest"
)

// broken are wheels that must be refused, and one that need not be (record).
var broken = map[string]func(w *pypitest.Wheel){
	"traversal": addFile("../evil.py"),
	"absolute":  addFile("/etc/evil"),
	"control":   addFile("a\x1b[2Jb.py"),
	"duplicate": func(w *pypitest.Wheel) {
		w.Edit = func(a *pypitest.Archive) {
			a.Entries = append(a.Entries, pypitest.Entry{Name: a.Entries[0].Name, Data: "other = 1\n"})
		}
	},
	"symlink": func(w *pypitest.Wheel) {
		w.Files = append(w.Files, pypitest.File{Path: "link", Text: "/etc/passwd", Mode: 0o120777})
	},
	"crc":          func(w *pypitest.Wheel) { w.Edit = func(a *pypitest.Archive) { a.Entries[0].CRC++ } },
	"no-dist-info": func(w *pypitest.Wheel) { w.DistInfo = "elsewhere" },
	"other-name":   func(w *pypitest.Wheel) { w.Metadata = "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n" },
	"bomb": func(w *pypitest.Wheel) {
		w.Edit = func(a *pypitest.Archive) { a.Entries[0].Size, a.Entries[0].LocalSize = 2<<30, 2<<30 }
	},
	"python": func(w *pypitest.Wheel) { w.Console = []string{"python3 = evil:main"} },
	"record": func(w *pypitest.Wheel) { w.EditRecord = func(rows []string) []string { return rows[1:] } },
	"blank": func(w *pypitest.Wheel) {
		w.EditRecord = func(rows []string) []string { return append([]string{""}, rows...) }
	},
	"future": func(w *pypitest.Wheel) { w.RequiresPython = ">=3.99" },
}

func addFile(path string) func(w *pypitest.Wheel) {
	return func(w *pypitest.Wheel) { w.Files = append(w.Files, pypitest.File{Path: path, Text: "evil = 1\n"}) }
}

func (x *scriptIndex) wheel(fatalf func(string, ...any), read func(string) ([]byte, error), w pypitest.Wheel, words []string) {
	w.Files = []pypitest.File{{Path: strings.NewReplacer("-", "_", ".", "_").Replace(w.Name) + ".py",
		Text: fmt.Sprintf("__version__ = %q\n\n\ndef main():\n    print(%q)\n", w.Version, w.Name+" "+w.Version)}}
	file := pypitest.Artifact{}
	project := w.Name
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "requires":
			w.Requires = append(w.Requires, value)
		case "python":
			w.RequiresPython, file.RequiresPython = value, value
		case "tag":
			w.Tag = value
		case "build":
			w.Build = value
		case "console":
			w.Console = append(w.Console, value)
		case "file":
			path, from, _ := strings.Cut(value, ":")
			b, err := read(from)
			if err != nil {
				fatalf("%v", err)
			}
			w.Files = append(w.Files, pypitest.File{Path: path, Text: string(b)})
		case "yanked":
			file.Yanked = strings.ReplaceAll(value, "_", " ")
		case "sha256":
			file.SHA256 = value
		case "href":
			file.Href = value
		case "on":
			project = value
		case "broken":
			if broken[value] == nil {
				fatalf("no broken form %q", value)
			}
			broken[value](&w)
		default:
			fatalf("a wheel has no %q", key)
		}
	}
	file.Name, file.Data = w.Filename(), w.Bytes()
	x.server.AddFile(project, file)
}
