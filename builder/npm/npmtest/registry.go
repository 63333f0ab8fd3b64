package npmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Registry is one on loopback.
type Registry struct {
	t      testing.TB
	server *httptest.Server

	mu       sync.Mutex
	packages map[string][]Package
	log      []string                    // of requests: "GET /path"
	faults   map[string]http.HandlerFunc // by path: what answers in the registry's place
	header   string                      // the Authorization that it wants
	says     map[string]string           // headers of what it says of packages, "" for none
	sent     []string                    // names of packages of which it said all, or what installers need
	same     []string                    // and that nothing changed
}

// NewRegistry starts a registry with packages, until the test ends.
func NewRegistry(t testing.TB, packages ...Package) *Registry {
	r := &Registry{t: t, packages: map[string][]Package{}, faults: map[string]http.HandlerFunc{}}
	r.server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.server.Close)
	r.Add(packages...)
	return r
}

// URL is its root.
func (r *Registry) URL() string { return r.server.URL + "/" }

// Add publishes packages.
func (r *Registry) Add(packages ...Package) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range packages {
		r.packages[p.Name] = append(r.packages[p.Name], p)
	}
}

// Fault has something else answer requests for a path, as it is on the wire; nil: the registry again.
func (r *Registry) Fault(path string, answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.faults[path] = answer
}

// Want refuses requests without this Authorization.
func (r *Registry) Want(header string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.header = header
}

// Say has what it says of packages come with these headers; "" takes one away.
func (r *Registry) Say(headers map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.says = headers
}

// Packuments are the packages of which it said something since the last call, and those of which it said
// that nothing changed, sorted.
func (r *Registry) Packuments() (sent, same []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sent, same, r.sent, r.same = r.sent, r.same, nil, nil
	slices.Sort(sent)
	slices.Sort(same)
	return sent, same
}

// Requests are those since the last call, in order.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.log
	r.log = nil
	return log
}

// Tarballs are those of Requests that fetch one, sorted.
func (r *Registry) Tarballs() []string {
	log := slices.DeleteFunc(r.Requests(), func(line string) bool { return !strings.HasSuffix(line, ".tgz") })
	slices.Sort(log)
	return log
}

// TarballPath is where a package's bytes are.
func TarballPath(p Package) string { return "/" + p.Name + "/-/" + p.Filename() }

// serve answers as registries do: /name or /@scope%2fname, and /name/-/file.tgz.
func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	path := req.URL.EscapedPath()
	r.mu.Lock()
	r.log = append(r.log, req.Method+" "+path)
	fault, header := r.faults[path], r.header
	r.mu.Unlock()
	switch {
	case header != "" && req.Header.Get("Authorization") != header:
		http.Error(w, `{"error":"unauthorized"}`, http.StatusUnauthorized)
	case fault != nil:
		fault(w, req)
	default:
		r.answer(w, req, path)
	}
}

func (r *Registry) answer(w http.ResponseWriter, req *http.Request, path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
	if all := r.packages[name]; err == nil && len(all) > 0 && strings.Count(path, "/") == 1 {
		const install = "application/vnd.npm.install-v1+json"
		doc, of, form := r.packument(all), install, "install"
		if !strings.Contains(req.Header.Get("Accept"), install) {
			doc["readme"], doc["time"] = "All of "+name, map[string]string{"modified": "2026-01-01T00:00:00.000Z"}
			of, form = "application/json", "all"
		}
		h := w.Header()
		h.Set("Content-Type", of)
		h.Set("ETag", fmt.Sprintf(`"%d-%s"`, len(all), form))
		h.Set("Vary", "Accept")
		for key, value := range r.says {
			if h.Set(key, value); value == "" {
				h.Del(key)
			}
		}
		if tag := h.Get("ETag"); tag != "" && req.Header.Get("If-None-Match") == tag {
			r.same = append(r.same, name)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		r.sent = append(r.sent, name)
		if err := json.NewEncoder(w).Encode(doc); err != nil {
			r.t.Error(err)
		}
		return
	}
	for _, all := range r.packages {
		for _, p := range all {
			if name == strings.TrimPrefix(TarballPath(p), "/") {
				w.Header().Set("Content-Type", "application/octet-stream")
				w.Header().Set("Content-Length", strconv.Itoa(len(p.Tarball()))) // which a HEAD asks for
				w.Write(p.Tarball())                                             // whoever asked may be gone
				return
			}
		}
	}
	http.Error(w, `{"error":"not_found"}`, http.StatusNotFound)
}

func (r *Registry) packument(all []Package) map[string]any {
	versions := map[string]any{}
	for _, p := range all {
		dist := map[string]any{"tarball": r.server.URL + TarballPath(p), "shasum": p.Shasum()}
		if !p.SHA1 {
			dist["integrity"] = p.Integrity()
		}
		v := map[string]any{"name": p.Name, "version": p.Version, "dist": dist}
		for key, value := range p.Fields {
			v[key] = value
		}
		versions[p.Version] = v
	}
	return map[string]any{"name": all[0].Name, "versions": versions, "dist-tags": map[string]string{"latest": all[len(all)-1].Version}, "modified": "2026-01-01T00:00:00.000Z"}
}

// Lock writes a project of packages, by their places, into dir: package.json and package-lock.json, which
// holds no addresses. It returns the lock's path.
func Lock(t testing.TB, dir string, places map[string]Package) string {
	t.Helper()
	needs := map[string]string{}
	packages := map[string]any{}
	for place, p := range places {
		entry := map[string]any{"version": p.Version, "integrity": p.Integrity()}
		if place != "node_modules/"+p.Name && !strings.HasSuffix(place, "/node_modules/"+p.Name) {
			entry["name"] = p.Name
		}
		for key, value := range p.Fields {
			if key == "bin" {
				if file, is := value.(string); is {
					value = map[string]string{filepath.Base(p.Name): file}
				}
			}
			entry[key] = value
		}
		packages[place] = entry
		if own, _, is := strings.Cut(place, "/node_modules/"); is && !strings.HasPrefix(place, "node_modules/") {
			packages[own] = map[string]any{"name": path.Base(own), "version": "1.0.0"}
			packages["node_modules/"+path.Base(own)] = map[string]any{"resolved": own, "link": true}
		}
		if name := strings.TrimPrefix(place, "node_modules/"); !strings.Contains(name, "node_modules/") {
			needs[name] = p.Version
			if name != p.Name {
				needs[name] = "npm:" + p.Name + "@" + p.Version
			}
		}
	}
	root := map[string]any{"name": "project", "version": "1.0.0", "dependencies": needs}
	packages[""] = root
	write := func(name string, what any) {
		text, err := json.MarshalIndent(what, "", "  ")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write("package.json", root)
	write("package-lock.json", map[string]any{"name": "project", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": packages})
	return filepath.Join(dir, "package-lock.json")
}
