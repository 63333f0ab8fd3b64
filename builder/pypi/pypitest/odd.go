package pypitest

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"strings"
)

// OddRecords are wheels whose RECORD is not what the format asks for, and which pip
// installs all the same. Each has a name of its own, so that all of them can be
// installed into one environment.
func OddRecords() []Wheel {
	var list []Wheel
	// add makes a wheel of two modules and a script of which RECORD's rows are edited:
	// rows[0] is the first module's, then come the other's, the script's and .dist-info's.
	add := func(name string, edit func(rows []string) []string) {
		project := strings.ReplaceAll(name, "-", "_")
		list = append(list, Wheel{
			Name:       name,
			Files:      []File{{Path: project + ".py", Text: "x = 1\n"}, {Path: project + "_two/__init__.py", Text: "y = 2\n"}},
			Scripts:    []File{{Path: name, Text: "#!python\nprint(1)\n"}},
			EditRecord: edit,
		})
	}
	// first edits the row of the first module only; its path is given without a hash.
	first := func(name string, row func(path string) string) {
		add(name, func(rows []string) []string {
			path, _, _ := strings.Cut(rows[0], ",")
			rows[0] = row(path)
			return rows
		})
	}
	// more adds rows behind the right ones.
	more := func(name string, row func(rows []string) string) {
		add(name, func(rows []string) []string { return append(rows, row(rows)) })
	}
	hashed := func(name, algorithm string, digest []byte) {
		first("hash-"+name, func(path string) string {
			return path + "," + algorithm + "=" + base64.RawURLEncoding.EncodeToString(digest) + ",6"
		})
	}
	content := []byte("x = 1\n")
	md, sha, sha384, sha512 := md5.Sum(content), sha1.Sum(content), sha512.Sum384(content), sha512.Sum512(content)
	hashed("md5", "md5", md[:])
	hashed("sha1", "sha1", sha[:])
	hashed("sha384", "sha384", sha384[:])
	hashed("sha512", "sha512", sha512[:])
	hashed("blake2", "blake2b", sha512[:])
	hashed("wrong", "sha256", make([]byte, 32))
	first("hash-hex", func(path string) string { return path + ",sha256=" + strings.Repeat("0a", 32) + ",6" })
	first("hash-padded", func(path string) string { return RecordRow(path, string(content)) + "=" })
	first("hash-junk", func(path string) string { return path + ",junk,6" })
	first("size-wrong", func(path string) string { return RecordRow(path, "x = 10\n") })
	first("size-junk", func(path string) string { return path + ",,many" })

	first("path-dot", func(path string) string { return RecordRow("./"+path, string(content)) })
	first("path-up", func(path string) string { return RecordRow("../"+path, string(content)) })
	first("path-absolute", func(path string) string { return RecordRow("/"+path, string(content)) })
	first("path-backslash", func(path string) string { return RecordRow(`.\`+path, string(content)) })
	first("path-empty", func(string) string { return ",sha256=x,6" })
	first("path-control", func(path string) string { return path + "\x01,," })
	first("path-long", func(path string) string { return strings.Repeat("a", 1<<17) })
	more("path-installed", func([]string) string { return "../../../bin/path-installed,sha256=x,1" })
	more("path-installed-oddly", func([]string) string { return "../../../bin/../bin/path-installed-oddly,sha256=x,1" })

	first("bom", func(path string) string { return "\ufeff" + RecordRow(path, string(content)) })
	more("rows-twice", func(rows []string) string { return rows[0] })
	more("rows-twice-script", func(rows []string) string { return rows[2] })
	more("rows-twice-other", func(rows []string) string { return RecordRow("rows_twice_other.py", "other") })
	more("missing", func([]string) string { return RecordRow("gone.py", "x") })
	add("not-listed", func(rows []string) []string { return rows[1:] })
	add("nothing-listed", func([]string) []string { return []string{"nothing_listed-1.0.dist-info/RECORD,,"} })
	more("itself", func([]string) string { return RecordRow("itself-1.0.dist-info/RECORD", "x") })
	more("fields-four", func([]string) string { return "a,b,c,d" })
	more("fields-one", func([]string) string { return "a" })
	more("fields-two", func([]string) string { return "a,b" })
	first("quote-open", func(path string) string { return `"` + path })
	first("quote-inside", func(path string) string { return path + `",a"b"` })
	first("quote-junk", func(path string) string { return `"` + path + `"x"y,,` })
	first("quote-comma", func(path string) string { return `"` + path + `,a""b",,` })
	first("spaces", func(path string) string { return " " + path + " , , " })
	for name, end := range map[string]string{"cr": "\r", "crlf": "\r\n", "form-feed": "\f", "nel": "\u0085", "line-separator": "\u2028"} {
		add("ends-"+name, func(rows []string) []string { return []string{strings.Join(rows, end)} })
	}

	list = append(list, Wheel{Name: "record-empty", Edit: func(a *Archive) { a.Entries[len(a.Entries)-1].Data = "" }})
	list = append(list, Wheel{Name: "record-no-end", Edit: func(a *Archive) {
		last := &a.Entries[len(a.Entries)-1]
		last.Data = strings.TrimSuffix(last.Data, "\n")
	}})
	for _, kind := range []string{"jws", "p7s"} {
		for _, listed := range []bool{true, false} {
			name := fmt.Sprintf("signed-%s-%t", kind, listed)
			project := strings.ReplaceAll(name, "-", "_")
			signature := project + "-1.0.dist-info/RECORD." + kind
			list = append(list, Wheel{
				Name:  name,
				Files: []File{{Path: project + ".py"}, {Path: signature, Text: "{}"}},
				EditRecord: func(rows []string) []string {
					if !listed {
						return append(rows[:1:1], rows[2:]...)
					}
					return rows
				},
			})
		}
	}
	list = append(list, Wheel{Name: "shipped-bytecode", Files: []File{
		{Path: "shipped_bytecode/__init__.py", Text: "x = 1\n"},
		{Path: "shipped_bytecode/__pycache__/__init__.cpython-311.pyc", Text: "stale"},
		{Path: "shipped_bytecode/__pycache__/__init__.cpython-27.pyc", Text: "other"},
	}, EditRecord: func(rows []string) []string { return append(rows[:1:1], rows[3:]...) }})
	return list
}
