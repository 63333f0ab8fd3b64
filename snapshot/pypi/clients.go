package pypi

import (
	"encoding/json"

	"larder/snapshot/ecosystem"
	"larder/snapshot/pypi/pep440"
	"larder/snapshot/pypi/pep508"
)

// Clients are the tools whose caches are served. The views of pip lie below one directory. Its
// cache of built wheels serves every pip (hashed installs from 23.1), without a copy, and comes first;
// the entries of its downloads serve what that does not: since 23.3 with bodies beside them, before
// with bodies inside. What was built from sources is in trees of its own, so that whoever does not
// trust it goes without.
var Clients = []ecosystem.Client{
	{Name: "pip", Variable: "PIP_CACHE_DIR", Dir: "pip", Views: []string{ViewWheels, ViewPip, ViewPipOld}, Built: []string{ViewPipBuilt, ViewPipBuiltNative}},
	{Name: "uv", Variable: "UV_CACHE_DIR", Dir: "uv", Views: []string{ViewUV}, Built: []string{ViewUVBuilt, ViewUVBuiltNative}},
	{Name: "poetry", Variable: "POETRY_CACHE_DIR", Dir: "pypoetry", Below: "artifacts", Views: []string{ViewPoetry}},
}

// The views of wheels, each below /views of the image.
const (
	ViewWheels = "wheels"  // pip's cache of wheels it has built, which it asks for links to wheels, too
	ViewPip    = "pip"     // the download cache of pip >= 23.3
	ViewPipOld = "pip-old" // that of older pips, which holds every wheel once more: for hashed installs before 23.1
	ViewUV     = "uv"      // uv's cache, as the uvs of the build wrote it
	ViewPoetry = "poetry"  // the wheels that Poetry from 1.5 has downloaded; beside them it makes environments, which no mount may hide
	ViewSimple = "simple"  // a static index (PEP 503 and 691) with the wheels below +files
)

// The views of what was built from sources: none-any, and with machine code.
const (
	ViewPipBuilt       = "pip-built" // pip's cache of built wheels
	ViewPipBuiltNative = "pip-built-native"
	ViewUVBuilt        = "uv-built" // uv's cache
	ViewUVBuiltNative  = "uv-built-native"
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
	Name: Name, Artifact: "wheel", Clients: Clients, Attached: []string{ViewWheels, ViewPip}, Views: []string{ViewPoetry, ViewSimple}, Describe: describe,
	Locks: locks{}, Names: Names{}, Normalize: pep508.Normalize, SameVersion: pep440.Same,
}
