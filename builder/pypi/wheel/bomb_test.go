package wheel

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"larder/builder/pypi/pypitest"
)

// allocated is how many bytes f allocates, freed ones counted.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// bombs are wheels of a few KB to a few MB, each made to take a reader that is not
// linear, or that trusts what it reads, minutes or gigabytes. refused is a part of the
// refusal; "" when the wheel is sound and only must not cost much.
func bombs() map[string]struct {
	wheel   pypitest.Wheel
	refused string
} {
	const format = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
	set := func(n int) string { return strings.Repeat("a.", n) + "a" }
	var commands, deep strings.Builder
	commands.WriteString("[console_scripts]\n")
	for i := range 90_000 {
		fmt.Fprintf(&commands, "c%d=m:f\n", i)
	}
	var tree []pypitest.File
	for i := range 30_000 {
		deep.Reset()
		for d := range 60 {
			fmt.Fprintf(&deep, "%x%x/", i, d)
		}
		tree = append(tree, pypitest.File{Path: deep.String() + "f"})
	}
	type bomb = struct {
		wheel   pypitest.Wheel
		refused string
	}
	metadata := pypitest.Wheel{}.MetadataText()
	return map[string]bomb{
		"tags":                  {pypitest.Wheel{WheelText: format + strings.Repeat("Tag: "+set(400)+"-"+set(400)+"-"+set(400)+"\n", 3)}, ""},
		"tags in short lines":   {pypitest.Wheel{WheelText: format + strings.Repeat("Tag: "+set(40)+"-"+set(40)+"-"+set(40)+"\n", 4000)}, ""},
		"tags in the name":      {pypitest.Wheel{Tag: set(35) + "-" + set(35) + "-" + set(35), WheelText: format + "Tag: a-a-a\n"}, ""},
		"WHEEL continued":       {pypitest.Wheel{WheelText: format + "X: y\n" + strings.Repeat(" y\n", 300_000)}, ""},
		"METADATA continued":    {pypitest.Wheel{Metadata: metadata + "Summary: y\n" + strings.Repeat(" y\n", 1_000_000)}, ""},
		"METADATA of fields":    {pypitest.Wheel{Metadata: metadata + strings.Repeat("a:\n", 4_000_000)}, ""},
		"rows of two bytes":     {pypitest.Wheel{Record: strings.Repeat("a\n", 31<<20)}, "bytes that"},
		"rows in another shape": {pypitest.Wheel{Record: strings.Repeat("a\n", 400_000)}, "rows"},
		"a row of quotes":       {pypitest.Wheel{Record: strings.Repeat(`"`, 1_000_001) + "\n"}, "has a field longer"},
		"commands":              {pypitest.Wheel{EntryPoints: commands.String()}, "more than 10000 commands"},
		"directories":           {pypitest.Wheel{Files: tree, Record: "demo-1.0.dist-info/RECORD,,\n"}, "more than 200000 files and directories"},
	}
}

// What opening a wheel costs is linear in the wheel, and in what its texts may have.
func TestBoundsOfWheels(t *testing.T) {
	for name, bomb := range bombs() {
		t.Run(name, func(t *testing.T) {
			b, file := bomb.wheel.Bytes(), bomb.wheel.Filename()
			var err error
			used := allocated(func() { _, err = Open(bytes.NewReader(b), int64(len(b)), file) })
			if most := 2 * Memory(int64(len(b))); used > most {
				t.Errorf("%d bytes: %d MiB allocated, expected at most %d", len(b), used>>20, most>>20)
			}
			if bomb.refused == "" && err != nil || bomb.refused != "" && (err == nil || !strings.Contains(err.Error(), bomb.refused)) {
				t.Errorf("%d bytes: %v", len(b), err)
			}
		})
	}
}

// A value that goes on over several lines is what Python makes of it, white space at
// the ends of lines apart.
func TestHeadersContinued(t *testing.T) {
	for text, want := range map[string]string{
		"A: b\n c\n":                 "b\n c",
		"A:\n  c\n":                  "c",
		"A: b  \r\n\t\r\n  c \rD: e": "b\n  c",
		"A: b":                       "b",
		" x\nA: b":                   "",
		"A: b\n\nA: c":               "b",
	} {
		got := ""
		for name, value := range headers([]byte(text)) {
			if name == "a" {
				got = value
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
