package layer

import (
	"maps"
	"path"
	"slices"
	"strings"

	"larder/builder/pypi/wheel"
	"larder/snapshot/pypi"
)

// planned is a file of the wheel and what becomes of it.
type planned struct {
	file   *wheel.File
	path   string // where it goes, "" when it is left out
	script bool   // its first line may have to be rewritten
	kept   bool   // it is what the layer has at its path
}

// scheme sets where things go in a virtual environment of the target, as pip's
// get_scheme has it.
func (b *build) scheme(t pypi.Tag) {
	version := t.Python()
	abi := version
	if t.FreeThreaded() {
		abi += "t"
	}
	b.lib = "lib/python" + abi + "/site-packages"
	b.dirs = map[string]string{
		"purelib": b.lib,
		"platlib": b.lib, // lib64, where there is one, is a link to lib
		"headers": "include/site/python" + version + "/" + b.w.Metadata.Name,
		"scripts": "bin",
		"data":    "",
	}
}

// planFiles decides where every file goes, in the order in which pip writes them: of two
// with one path, the later is what remains.
func (b *build) planFiles() error {
	commands := map[string]bool{}
	for _, c := range slices.Concat(b.w.EntryPoints.Console, b.w.EntryPoints.GUI) {
		commands[c.Name] = true
	}
	var root, data, scripts []planned
	for _, f := range b.w.Files() {
		top, rest, _ := strings.Cut(f.Name, "/")
		if !strings.HasSuffix(top, ".data") {
			root = append(root, planned{file: f, path: b.lib + "/" + f.Path})
			continue
		}
		key, below, _ := strings.Cut(rest, "/")
		p := planned{file: f, path: path.Join(b.dirs[key], below), script: key == "scripts"}
		if !p.script {
			data = append(data, p)
			continue
		}
		if isWrapper(path.Base(below), commands) {
			p.path = ""
		}
		scripts = append(scripts, p)
	}
	b.plan = slices.Concat(root, data, scripts)
	b.taken, b.parents = map[string]string{}, map[string]bool{}
	for i := len(b.plan) - 1; i >= 0; i-- {
		p := &b.plan[i]
		if p.path != "" && b.taken[p.path] == "" {
			// RECORD is read, for its content must be what the archive declares, and made anew.
			b.taken[p.path], p.kept = p.file.Name, p.path != b.info()+"RECORD"
		}
	}
	b.taken[b.info()+"INSTALLER"] = b.w.DistInfo + "/INSTALLER"
	for _, c := range b.commands {
		b.taken[b.dirs["scripts"]+"/"+c.Command] = b.w.DistInfo + "/entry_points.txt"
	}
	// Names in one archive cannot clash, but .data merges several trees.
	for _, p := range slices.Sorted(maps.Keys(b.taken)) {
		for dir := path.Dir(p); dir != "." && !b.parents[dir]; dir = path.Dir(dir) {
			b.parents[dir] = true
			if other := b.taken[dir]; other != "" {
				return b.refuse(b.taken[p], "needs a directory where %s is a file", wheel.Quote(other))
			}
		}
	}
	return nil
}

// isWrapper says whether a script of the wheel is one that setuptools made for an
// entry point; pip makes its own.
func isWrapper(script string, commands map[string]bool) bool {
	for _, suffix := range []string{".exe", "-script.py", ".pya"} {
		if strings.HasSuffix(strings.ToLower(script), suffix) {
			script = script[:len(script)-len(suffix)]
			break
		}
	}
	return commands[script]
}
