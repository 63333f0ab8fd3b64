package attach

import (
	"errors"
	"path/filepath"
	"testing"

	"larder/snapshot/ecosystem"
)

var clients = map[string]ecosystem.Client{
	"pip": {Name: "pip", Variable: "PIP_CACHE_DIR", Dir: "pip"}, "uv": {Name: "uv", Variable: "UV_CACHE_DIR", Dir: "uv"},
	"poetry": {Name: "poetry", Variable: "POETRY_CACHE_DIR", Dir: "pypoetry", Below: "artifacts"},
	"npm":    {Name: "npm", Variable: "npm_config_cache", Dir: "~/.npm"}, "maven": {Name: "maven", Dir: "~/.m2/repository"},
}

func TestCacheDir(t *testing.T) {
	for _, tc := range []struct {
		client string
		env    map[string]string
		home   string
		want   string
	}{
		{"pip", nil, "/home/alice", "/home/alice/.cache/pip"},
		{"uv", nil, "/home/alice", "/home/alice/.cache/uv"},
		{"poetry", nil, "/home/alice", "/home/alice/.cache/pypoetry/artifacts"},
		{"poetry", map[string]string{"POETRY_CACHE_DIR": "/p/../q"}, "/home/alice", "/p/../q/artifacts"},
		{"pip", map[string]string{"XDG_CACHE_HOME": "/xdg"}, "/home/alice", "/xdg/pip"},
		{"pip", map[string]string{"XDG_CACHE_HOME": ""}, "/home/alice", "/home/alice/.cache/pip"},
		{"pip", map[string]string{"XDG_CACHE_HOME": "xdg"}, "/home/alice", "/home/alice/.cache/pip"},
		{"pip", map[string]string{"XDG_CACHE_HOME": "/xdg", "PIP_CACHE_DIR": "/cache"}, "/home/alice", "/cache"},
		{"pip", map[string]string{"PIP_CACHE_DIR": "~/c"}, "/home/alice", "/home/alice/c"},
		{"pip", map[string]string{"UV_CACHE_DIR": "/uv"}, "/home/alice", "/home/alice/.cache/pip"},
		{"pip", map[string]string{"PIP_CACHE_DIR": "/p/../q//r/"}, "/home/alice", "/p/../q//r/"},
		{"npm", nil, "/home/alice", "/home/alice/.npm"},
		{"npm", map[string]string{"XDG_CACHE_HOME": "/xdg"}, "/home/alice", "/home/alice/.npm"},
		{"npm", map[string]string{"npm_config_cache": "/n"}, "/home/alice", "/n"},
		{"maven", map[string]string{"": "/x", "XDG_CACHE_HOME": "/xdg"}, "/home/alice", "/home/alice/.m2/repository"},
		// A user without a home, whom run calls "~": no path is absolute.
		{"pip", nil, "~", ""},
		{"pip", nil, "relative", ""},
		{"pip", map[string]string{"PIP_CACHE_DIR": "~/p"}, "~", ""},
		{"pip", map[string]string{"PIP_CACHE_DIR": "p"}, "/home/a", ""},
		{"npm", nil, "~", ""},
	} {
		got, err := CacheDir(clients[tc.client], func(k string) string { return tc.env[k] }, func() (string, error) { return tc.home, nil })
		if !filepath.IsAbs(got) {
			got = ""
		}
		if got != tc.want || err != nil {
			t.Errorf("%s %v, home %q: %q, %v; want %q", tc.client, tc.env, tc.home, got, err, tc.want)
		}
	}
	none := errors.New("none")
	noHome := func() (string, error) { return "", none }
	if _, err := CacheDir(clients["pip"], func(string) string { return "" }, noHome); !errors.Is(err, none) {
		t.Errorf("no home: %v", err)
	}
	if got, err := CacheDir(clients["pip"], func(string) string { return "/x" }, noHome); err != nil || got != "/x" {
		t.Errorf("home not needed: %q, %v", got, err)
	}
}
