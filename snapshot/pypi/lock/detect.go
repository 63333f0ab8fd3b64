package lock

import (
	"bytes"
	"path/filepath"
	"strings"
)

type format int

const (
	formatRequirements format = iota
	formatPylock
	formatUV
	formatPoetry
)

// foreign are files that people take for a lock, or that are one of a kind we do
// not read, with what to do instead.
var foreign = [...]struct{ name, what, fix string }{
	{"Pipfile.lock", "a lock of Pipenv", "run: pipenv requirements --hash > requirements.txt"},
	{"Pipfile", "no lock but what one is made from", "run: pipenv lock && pipenv requirements --hash > requirements.txt"},
	{"pdm.lock", "a lock of PDM", "run: pdm export -f pylock -o pylock.toml"},
	{"pixi.lock", "a lock of pixi", "export its Python packages as a requirements file with hashes"},
	{"conda-lock.yml", "a lock of conda", "write a requirements file in that environment: pip freeze > requirements.txt"},
	{"environment.yml", "an environment of conda", "write a requirements file in that environment: pip freeze > requirements.txt"},
	{"environment.yaml", "an environment of conda", "write a requirements file in that environment: pip freeze > requirements.txt"},
	{"pyproject.toml", "no lock but what one is made from", "run: uv lock, or poetry lock, or pip lock ."},
	{"setup.py", "no lock", "run: pip freeze > requirements.txt"},
	{"setup.cfg", "no lock", "run: pip freeze > requirements.txt"},
}

const formats = "give a pylock.toml, uv.lock, poetry.lock or a requirements file"

// refuseForeign refuses the file name if it is like one of foreign.
func refuseForeign(name, like string) error {
	for _, f := range foreign {
		if f.name == like {
			return position{file: name}.refuse(f.fix, "this is %s", f.what)
		}
	}
	return nil
}

// detect tells the format by the file's name, else by its content.
func detect(name string, data []byte) (format, error) {
	base := filepath.Base(name)
	switch {
	case base == "uv.lock":
		return formatUV, nil
	case base == "poetry.lock":
		return formatPoetry, nil
	case isPylockName(base):
		return formatPylock, nil
	}
	if err := refuseForeign(name, base); err != nil {
		return 0, err
	}
	text := bytes.TrimSpace(data)
	at := position{file: name}
	switch {
	case bytes.HasPrefix(text, []byte("{")) && bytes.Contains(text, []byte(`"_meta"`)):
		return 0, refuseForeign(name, "Pipfile.lock")
	case bytes.HasPrefix(text, []byte("{")):
		return 0, at.refuse(formats, "this is JSON and no lock that can be read")
	case bytes.HasPrefix(text, []byte("<")):
		return 0, at.refuse(formats, "this is HTML or XML and no lock")
	case hasLine(text, "@EXPLICIT"):
		return 0, refuseForeign(name, "conda-lock.yml")
	case hasLine(text, "[[packages]]"):
		return formatPylock, nil
	case hasLine(text, "[[package]]"):
		return detectTOML(name, data)
	case hasLine(text, "dependencies:") || hasLine(text, "channels:"):
		return 0, refuseForeign(name, "environment.yml")
	}
	return formatRequirements, nil
}

func detectTOML(name string, data []byte) (format, error) {
	root, err := parseTOML(name, data)
	if err != nil {
		return 0, err
	}
	meta := root.table("metadata")
	switch {
	case root.has("version"):
		return formatUV, nil
	case meta.has("content-hash") || meta.has("python-versions"):
		return formatPoetry, nil
	case meta.has("lock_version"):
		return 0, refuseForeign(name, "pdm.lock")
	}
	return 0, position{file: name}.refuse(formats, "this is TOML and no lock that can be read")
}

// isPylockName: PEP 751 allows pylock.toml and pylock.NAME.toml, no dot in NAME.
func isPylockName(base string) bool {
	if base == "pylock.toml" {
		return true
	}
	mid, ok := strings.CutPrefix(base, "pylock.")
	mid, ok2 := strings.CutSuffix(mid, ".toml")
	return ok && ok2 && mid != "" && !strings.Contains(mid, ".")
}

// hasLine tells whether some line of text is exactly want, white space at its end
// apart.
func hasLine(text []byte, want string) bool {
	for line := range bytes.Lines(text) {
		if string(bytes.TrimRight(line, " \t\r\n")) == want {
			return true
		}
	}
	return false
}
