package wheel

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// EntryPoints are the commands of entry_points.txt, in the order of the file. pip
// makes a script of each.
type EntryPoints struct {
	Console, GUI []EntryPoint
}

// EntryPoint is one command: Command runs Func of Module, where Func may be an
// attribute of what is imported ("cls.main"). Name is what entry_points.txt calls it,
// of which pip takes the last word. (Newer pips leave the space before it in the
// script's name, older ones leave out more of an odd word.)
type EntryPoint struct {
	Name, Command, Module, Func string
}

func (w *Wheel) readEntryPoints() error {
	b, ok, err := w.text("entry_points.txt", maxEntryPoints)
	if err != nil || !ok {
		return err
	}
	name := w.DistInfo + "/entry_points.txt"
	if !utf8.Valid(b) {
		return refuseEntry(name, "is not UTF-8")
	}
	if w.EntryPoints, err = parseEntryPoints(string(b)); err != nil {
		return refuseEntry(name, "%v", err)
	}
	return nil
}

// parseEntryPoints reads the console_scripts and gui_scripts of an
// entry_points.txt as importlib.metadata and pip's distlib do, and refuses what
// makes pip fail (a value that names no function) and what would put a script
// somewhere else or in place of the interpreter. Of two with one name the last
// counts, in the place of the first.
func parseEntryPoints(text string) (EntryPoints, error) {
	var e EntryPoints
	var group *[]EntryPoint
	known := map[entryKey]int{} // index in the group
	for line := range strings.FieldsFuncSeq(text, isLineEnd) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			switch strings.Trim(line, "[]") {
			case "console_scripts":
				group = &e.Console
			case "gui_scripts":
				group = &e.GUI
			default:
				group = nil
			}
			continue
		}
		if group == nil {
			continue
		}
		p, err := parseEntryPoint(line)
		if err != nil {
			return EntryPoints{}, err
		}
		key := entryKey{group == &e.GUI, p.Name}
		if i, ok := known[key]; ok {
			(*group)[i] = p
			continue
		}
		if len(known) == maxCommands {
			return EntryPoints{}, fmt.Errorf("has more than %d commands, each of which is a file in every environment", maxCommands)
		}
		known[key] = len(*group)
		*group = append(*group, p)
	}
	return e, nil
}

// maxCommands is how many scripts a wheel may ask for. The most of real wheels is 120.
const maxCommands = 10_000

type entryKey struct {
	gui  bool
	name string
}

// isLineEnd is what ends a line for Python's str.splitlines.
func isLineEnd(r rune) bool {
	return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}

// entryValue is the value part of distlib's ENTRY_RE; \w is Python's. Its Unicode classes take
// half a millisecond to compile, which every larder run would pay at its start.
var entryValue = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([\pL\pN_]+(?:[:.][\pL\pN_]+)*)\s*(\[\s*[\pL\pN_-]+(?:=[\pL\pN_]+)?(?:,\s*[\pL\pN_]+(?:=[\pL\pN_]+)?)*\s*\])?`)
})

func parseEntryPoint(line string) (EntryPoint, error) {
	name, value, ok := strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	bad := func(what string) (EntryPoint, error) {
		return EntryPoint{}, fmt.Errorf("has the entry point %s, %s", Quote(name), what)
	}
	switch {
	case !ok:
		return bad("which has no value")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || !isPrintable(r) }):
		return bad("which is no name of a command")
	case strings.ContainsAny(name, `/\[]`):
		return bad("which would be made outside the scripts directory")
	}
	command := name
	if words := strings.Fields(name); len(words) > 0 {
		command = words[len(words)-1]
	}
	switch {
	case strings.Trim(command, ".") == "":
		return bad("which is no name of a command")
	case len(command) > 255:
		return bad("which is longer than 255 bytes")
	case isPython(command):
		return bad("which would replace the environment's interpreter")
	}
	m := entryValue().FindStringSubmatch(value)
	if m == nil || m[2] == "" && strings.ContainsAny(value, "[]") {
		return bad("whose value is not module:function")
	}
	module, attr, ok := strings.Cut(m[1], ":")
	if !ok || strings.Contains(attr, ":") {
		return bad("whose value is not module:function")
	}
	return EntryPoint{Name: name, Command: command, Module: module, Func: attr}, nil
}

func isPrintable(r rune) bool { return Quote(string(r)) == `"`+string(r)+`"` }
