package lock

import (
	"bytes"
	"path/filepath"
	"strings"

	"larder/snapshot/pypi/lock/pins"
	"larder/snapshot/pypi/lock/tomltree"
)

// Format is a kind of lock file.
type Format string

// The formats that can be read.
const (
	Requirements Format = "requirements.txt"
	Pylock       Format = "pylock.toml"
	UV           Format = "uv.lock"
	Poetry       Format = "poetry.lock"
)

// foreign are files that people take for a lock, or that are one of a kind we do
// not read, with what to do instead.
var foreign = [...]struct{ name, what, fix string }{
	{"Pipfile.lock", "a lock of Pipenv", "run: pipenv requirements --hash > requirements.txt"},
	{"Pipfile", "no lock but what one is made from", "run: pipenv lock && pipenv requirements --hash > requirements.txt"},
	{"pdm.lock", "a lock of PDM", "run: pdm export -f pylock -o pylock.toml"},
	{"pixi.lock", "a lock of pixi", "export its Python packages as a requirements file with hashes"},
	{"conda-lock.yml", "a lock of conda", "run: conda-lock render -k explicit is no help here, write a requirements file: pip freeze > requirements.txt"},
	{"environment.yml", "an environment of conda", "write a requirements file in that environment: pip freeze > requirements.txt"},
	{"environment.yaml", "an environment of conda", "write a requirements file in that environment: pip freeze > requirements.txt"},
	{"pyproject.toml", "no lock but what one is made from", "run: uv lock, or poetry lock, or pip lock ."},
	{"setup.py", "no lock", "run: pip freeze > requirements.txt"},
	{"setup.cfg", "no lock", "run: pip freeze > requirements.txt"},
}

const formats = "give a pylock.toml, uv.lock, poetry.lock or a requirements file"

// detect tells the format by the file's name, else by its content.
func detect(name string, data []byte) (Format, error) {
	base := filepath.Base(name)
	switch {
	case base == "uv.lock":
		return UV, nil
	case base == "poetry.lock":
		return Poetry, nil
	case isPylockName(base):
		return Pylock, nil
	}
	for _, f := range foreign {
		if base == f.name {
			return "", pins.Refuse(name, 0, f.fix, "this is %s", f.what)
		}
	}
	text := bytes.TrimSpace(data)
	switch {
	case bytes.HasPrefix(text, []byte("{")):
		if bytes.Contains(text, []byte(`"_meta"`)) {
			return "", pins.Refuse(name, 0, foreign[0].fix, "this is %s", foreign[0].what)
		}
		return "", pins.Refuse(name, 0, formats, "this is JSON and no lock that can be read")
	case bytes.HasPrefix(text, []byte("<")):
		return "", pins.Refuse(name, 0, formats, "this is HTML or XML and no lock")
	case hasLine(text, "@EXPLICIT"):
		return "", pins.Refuse(name, 0, foreign[5].fix, "this is a lock of conda")
	case hasLine(text, "[[packages]]"):
		return Pylock, nil
	case hasLine(text, "[[package]]"):
		return detectTOML(name, text)
	case hasLine(text, "dependencies:") || hasLine(text, "channels:"):
		return "", pins.Refuse(name, 0, foreign[5].fix, "this is %s", foreign[5].what)
	}
	return Requirements, nil
}

func detectTOML(name string, text []byte) (Format, error) {
	t, err := tomltree.Parse(name, text)
	if err != nil {
		return "", err
	}
	d := tomltree.Decoder{File: name}
	meta := d.Table(t, "metadata")
	switch {
	case t.Has("version"):
		return UV, nil
	case meta.Has("content-hash") || meta.Has("python-versions"):
		return Poetry, nil
	case meta.Has("lock_version"):
		return "", pins.Refuse(name, 0, foreign[2].fix, "this is %s", foreign[2].what)
	}
	return "", pins.Refuse(name, 0, formats, "this is TOML and no lock that can be read")
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
