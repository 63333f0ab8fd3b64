package pypitest

import "strings"

func badMetadata() []BadWheel {
	var list []BadWheel
	add := func(row, rule string, w Wheel) {
		list = append(list, BadWheel{row, w.Filename(), w.Bytes(), rule})
	}
	add("B49", "has no RECORD", Wheel{Record: "-"})
	// pip fails of these too; of everything else that is odd in a RECORD it does not
	// (OddRecords).
	record := func(row, rule string, edit func(rows []string) []string) {
		add("B54: "+row, rule, Wheel{EditRecord: edit})
	}
	record("blank line", "has a blank line (2)", func(rows []string) []string { return append([]string{rows[0], ""}, rows[1:]...) })
	record("blank line at the end", "has a blank line", func(rows []string) []string { return append(rows, "") })
	record("long field", "longer than 131072 characters", func(rows []string) []string { return append(rows, strings.Repeat("a", 1<<17+1)) })
	record("long field of many lines", "longer than 131072 characters", func(rows []string) []string {
		return append(rows, `"`+strings.Repeat(strings.Repeat("a", 1<<10)+"\n", 129))
	})
	record("not UTF-8", "is not UTF-8", func(rows []string) []string { return append(rows, "\xff,,") })
	record("NUL", "has a NUL", func(rows []string) []string { return append(rows, "\x00,,") })
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
	add("B62: last word", "would replace the environment's interpreter", Wheel{Console: []string{"my python = demo:main"}})
	add("B62: no word", "no name of a command", Wheel{Console: []string{" = demo:main"}})
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

// Bomb is a wheel that unpacks to much more than it is.
func Bomb(size int) Wheel {
	return Wheel{Files: []File{{Path: "zeros.bin", Text: strings.Repeat("\x00", size)}}}
}
