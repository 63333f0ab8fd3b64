package wheeltest

import "strings"

func badMetadata() []BadWheel {
	var list []BadWheel
	add := func(row, rule string, w Wheel) {
		list = append(list, BadWheel{row, w.Filename(), w.Bytes(), rule})
	}
	add("B49", "has no RECORD", Wheel{Record: "-"})
	add("B55: none", "has no .dist-info directory", Wheel{DistInfo: "demo-1.0.info"})
	add("B55: two", "has two .dist-info directories", Wheel{Files: []File{{Path: "other-2.0.dist-info/METADATA", Text: "Name: other\n"}}})
	add("B55: file", "has two .dist-info directories", Wheel{Files: []File{{Path: "other-2.0.dist-info", Text: "x"}}})
	add("B56: name", "is not named after the wheel", Wheel{DistInfo: "other-1.0.dist-info"})
	add("B56: version", "is not named after the wheel", Wheel{DistInfo: "demo-1.1.dist-info"})
	add("B56: no version", "is not named after the wheel", Wheel{DistInfo: "demo.dist-info"})
	add("B57: name", "is for the project", Wheel{Metadata: "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"})
	add("B57: name after the body", "is for the project", Wheel{Metadata: "Metadata-Version: 2.1\n\nName: demo\nVersion: 1.0\n"})
	add("B57: version", "is for the version", Wheel{Metadata: "Metadata-Version: 2.1\nName: demo\nVersion: 1.1\n"})
	add("B57: newline", "is for the project", Wheel{Metadata: "Metadata-Version: 2.1\nName: demo\n evil\nVersion: 1.0\n"})
	add("B57: missing", "has no METADATA", Wheel{Metadata: "-"})
	add("B57: empty", "is for the project", Wheel{Metadata: " "})
	add("B57: binary", "is not UTF-8", Wheel{Metadata: "\xff\xfe\x00Name: demo\n"})
	add("B58: missing", "has no WHEEL", Wheel{WheelText: "-"})
	add("B58: version", "format version", Wheel{WheelText: "Wheel-Version: 2.0\nRoot-Is-Purelib: true\n"})
	add("B58: no version", "format version", Wheel{WheelText: "Root-Is-Purelib: true\n"})
	add("B58: junk version", "format version", Wheel{WheelText: "Wheel-Version: 1.x\nRoot-Is-Purelib: true\n"})
	for _, file := range []string{
		"demo-1.0-py3-none.whl", "demo-1.0-1-2-py3-none-any.whl", "demo-1.0-py3-none-any.zip", "demo-1%2e0-py3-none-any.whl",
		"demo/-1.0-py3-none-any.whl", "..-1.0-py3-none-any.whl", "demo -1.0-py3-none-any.whl", "demo-1.0-junk-py3-none-any.whl",
		"demo-1.0-py3-none-.whl", "demo-1.0-py3..py2-none-any.whl", "-1.0-py3-none-any.whl", "demo-1.0-py3-none-any\n.whl",
		"",
	} {
		list = append(list, BadWheel{"B59: " + file, file, Wheel{}.Bytes(), ""})
	}
	for _, version := range []string{"1.0+../../x", "x", "1.0+", "1!", strings.Repeat("1", 10_000)} {
		file := "demo-" + version + "-py3-none-any.whl"
		list = append(list, BadWheel{"B61: " + file, file, Wheel{}.Bytes(), ""})
	}
	for _, point := range []string{"python", "Python", "python3", "python3.12", "pythonw", "python3.13t"} {
		add("B62: "+point, "would replace the environment's interpreter", Wheel{Console: []string{point + " = demo:main"}})
		add("B63: "+point, "would replace the environment's interpreter", Wheel{Scripts: []File{{Path: point, Text: "#!python\n"}}})
		add("B63: data/bin/"+point, "would replace the environment's interpreter", Wheel{Data: []File{{Path: "bin/" + point, Text: "#!python\n"}}})
	}
	add("B62: slash", "outside the scripts directory", Wheel{GUI: []string{"../evil = demo:main"}})
	add("B62: dots", "no name of a command", Wheel{GUI: []string{".. = demo:main"}})
	add("B62: space", "no name of a command", Wheel{Console: []string{"a b = demo:main"}})
	add("B62: NUL", "no name of a command", Wheel{Console: []string{"a\x00b = demo:main"}})
	add("B62: no function", "not module:function", Wheel{Console: []string{"demo = demo"}})
	add("B62: two functions", "not module:function", Wheel{Console: []string{"demo = demo:a:b"}})
	add("B62: statement", "not module:function", Wheel{Console: []string{"demo = ;import os:main"}})
	add("B62: no value", "has no value", Wheel{Console: []string{"demo"}})
	add("B62: not UTF-8", "is not UTF-8", Wheel{EntryPoints: "[console_scripts]\n\xff = demo:main\n"})
	add("B63: ..", `has a ".." in its name`, Wheel{Data: []File{{Path: "../x", Text: "x"}}})
	add("B63: key", "no directory of .data", Wheel{Files: []File{{Path: "demo-1.0.data/bin/x", Text: "x"}}})
	add("B63: no key", "is not in a directory of .data", Wheel{Files: []File{{Path: "demo-1.0.data/x", Text: "x"}}})
	add("B63: file", "is not in a directory of .data", Wheel{Files: []File{{Path: "demo-1.0.data", Text: "x"}}})
	add("B63: another's", "no directory of .data", Wheel{Files: []File{{Path: "other-2.0.data/etc/x", Text: "x"}}})
	add("B63: configuration", "would replace the environment's configuration", Wheel{Data: []File{{Path: "pyvenv.cfg", Text: "home = /"}}})
	add("B63: lib64", "lib64", Wheel{Data: []File{{Path: "lib64/python3.11/site-packages/x.py", Text: "x"}}})
	return list
}

// DisagreeingRecords are wheels that pip installs though their RECORD is wrong:
// rows B50 to B54 of the table.
func DisagreeingRecords() []BadWheel {
	var list []BadWheel
	add := func(row, rule string, edit func(rows []string) []string) {
		w := Wheel{EditRecord: edit}
		list = append(list, BadWheel{row, w.Filename(), w.Bytes(), rule})
	}
	first := func(row, rule string, change func(string) string) {
		add(row, rule, func(rows []string) []string {
			rows[0] = change(rows[0])
			return rows
		})
	}
	first("B50", "another hash", func(s string) string { return RecordRow("demo.py", "other")[:len(s)-4] + s[len(s)-4:] })
	first("B50: size", "has the size", func(s string) string { return s + "0" })
	add("B51: missing", "names a missing file", func(rows []string) []string { return append(rows, RecordRow("gone.py", "x")) })
	add("B51: not listed", "does not name", func(rows []string) []string { return rows[1:] })
	first("B52: md5", "no sha256", func(string) string { return "demo.py,md5=1B2M2Y8AsgTpgAmY7PhCfg," })
	first("B52: padded", "no sha256", func(s string) string {
		i := strings.LastIndexByte(s, ',')
		return s[:i] + "=" + s[i:]
	})
	first("B53: ..", "names a missing file", func(string) string { return RecordRow("../demo.py", "x") })
	first("B53: absolute", "names a missing file", func(string) string { return RecordRow("/demo.py", "x") })
	first("B53: backslash", "names a missing file", func(string) string { return RecordRow(`a\demo.py`, "x") })
	first("B54: quote", "line 1 is not a row", func(s string) string { return `"` + s })
	first("B54: junk after a quote", "line 1 is not a row", func(s string) string { return `"demo.py"x` + s[7:] })
	first("B54: BOM", "names a missing file", func(s string) string { return "\ufeff" + s })
	first("B54: long line", "", func(s string) string { return strings.Repeat("a", 1<<20) + s })
	first("B54: blank line", "line 2 is not a row", func(s string) string { return s + "\n" })
	add("B54: two rows", "two rows", func(rows []string) []string { return append(rows, rows[0]) })
	return list
}

// Bomb is a wheel that unpacks to much more than it is.
func Bomb(size int) Wheel {
	return Wheel{Files: []File{{Path: "zeros.bin", Text: strings.Repeat("\x00", size)}}}
}
