package pypi

import (
	"encoding/json"

	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// Clients are the tools whose caches are served. pip from 23.3 keeps bodies beside its entries, older
// ones inside them; both look below one directory.
var Clients = []ecosystem.Client{
	{Name: "pip", Variable: "PIP_CACHE_DIR", Dir: "pip", Views: []string{ViewPip, ViewPipOld}},
	{Name: "uv", Variable: "UV_CACHE_DIR", Dir: "uv", Views: []string{"uv"}},
	{Name: "poetry", Variable: "POETRY_CACHE_DIR", Dir: "pypoetry", Views: []string{"poetry"}},
}

// The views of wheels, each below /views of the image.
const (
	ViewPip    = "pip"     // the cache of pip >= 23.3
	ViewPipOld = "pip-old" // the cache of older pips, which holds every wheel once more
	ViewSimple = "simple"  // a static index (PEP 503 and 691) with the wheels below +files
)

// describe tells a target's interpreter, or what a wheel requires of one.
func describe(detail json.RawMessage) string {
	var d struct {
		Python   string `json:"python"`
		Requires string `json:"requires_python"`
	}
	switch err := json.Unmarshal(detail, &d); {
	case err != nil:
		return ""
	case d.Requires != "":
		return "requires Python " + d.Requires
	case d.Python != "":
		return "Python " + d.Python
	}
	return ""
}

// Ecosystem is PyPI's row. A program adds the parts that it links.
var Ecosystem = ecosystem.Ecosystem{
	Name: Name, Artifact: "wheel", Clients: Clients, Attached: []string{ViewPip, ViewPipOld}, Views: []string{ViewSimple}, Describe: describe,
	Locks: locks{}, Normalize: pep508.Normalize, SameVersion: pep440.Same,
}
