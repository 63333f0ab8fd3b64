package uvcache

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"larder/builder"
	"larder/snapshot/image"
	"larder/snapshot/pypi"
)

// task is one uv and one batch.
type task struct {
	program
	server    *server
	view      string
	dir       string // emptied before and after
	authority string
	needs     map[string][]string // by digest
	standIns  map[string]standIn  // for the sources of built wheels; by the wheels' digests
	warn      func(string)

	failures int
	last     *round // that succeeded
}

func (t *task) write(ctx context.Context, wheels []Wheel, put image.Put) ([]image.Entry, error) {
	defer os.RemoveAll(t.dir)
	cache := filepath.Join(t.dir, "cache")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return nil, err
	}
	for _, r := range rounds(wheels) {
		if err := t.install(ctx, r); err != nil {
			return nil, err
		}
	}
	if t.last == nil {
		return nil, nil // each was warned of
	}
	held := contents{map[string]bool{}, slices.Collect(maps.Values(t.standIns))}
	for _, x := range wheels {
		held.wheels[x.Digest] = !x.Listed
	}
	if err := tidy(cache, t.name, held); err != nil {
		return nil, err
	}
	if err := t.try(ctx); err != nil {
		return nil, &errForm{t.name, "without a network it does not find what it wrote: " + err.Error()}
	}
	if err := strip(cache); err != nil {
		return nil, err
	}
	return image.Import(os.DirFS(cache), put)
}

// round is what one installation takes: one version of each project, of one index, for one target.
type round struct {
	index  string
	target Target
	wheels []Wheel
}

func rounds(wheels []Wheel) (all []round) {
	type key struct{ index, tag string }
	groups, nth := map[key][]round{}, map[key]map[string]int{}
	for _, x := range wheels {
		if x.Listed {
			continue
		}
		k := key{x.Index, x.Target.Tag.String()}
		if nth[k] == nil {
			nth[k] = map[string]int{}
		}
		n := nth[k][x.Project]
		nth[k][x.Project]++
		if n == len(groups[k]) {
			groups[k] = append(groups[k], round{index: x.Index, target: x.Target})
		}
		groups[k][n].wheels = append(groups[k][n].wheels, x)
	}
	for _, k := range slices.SortedFunc(maps.Keys(groups), func(a, b key) int { return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.tag, b.tag)) }) {
		all = append(all, groups[k]...)
	}
	return all
}

// install has uv take a round. One that fails is parted, until the wheel is found that it fails on.
func (t *task) install(ctx context.Context, r round) error {
	served := func(x Wheel) string { return cmp.Or(t.standIns[x.Digest].digest, x.Digest) }
	err := t.call(ctx, r, served, "HTTP_PROXY="+t.server.url(), "HTTPS_PROXY="+t.server.url(), "ALL_PROXY="+t.server.url(), "SSL_CERT_FILE="+t.authority)
	if err == nil {
		t.last = &r
		return nil
	}
	if ctx.Err() != nil || builder.HostFault(err) {
		return err
	}
	if n := len(r.wheels); n > 1 && t.failures < maxFailures {
		for _, half := range [][]Wheel{r.wheels[:n/2], r.wheels[n/2:]} {
			if err := t.install(ctx, round{r.index, r.target, half}); err != nil {
				return err
			}
		}
		return nil
	}
	if t.failures++; t.failures > maxFailures {
		return &errForm{t.name, fmt.Sprintf("it failed %d times, last: %v", t.failures, err)}
	}
	t.warn(fmt.Sprintf("%s is not in the view %s: %v", names(r.wheels), t.view, err))
	return nil
}

// try installs one wheel from the cache alone.
func (t *task) try(ctx context.Context) error {
	published := func(x Wheel) string { return x.onPage().digest }
	return t.call(ctx, round{t.last.index, t.last.target, t.last.wheels[:1]}, published, "UV_OFFLINE=1")
}

// call runs the uv for a round, whose files have the digests that hash tells.
func (t *task) call(ctx context.Context, r round, hash func(Wheel) string, env ...string) error {
	args, err := targetArgs(r.target)
	if err != nil {
		return err
	}
	args = append(args, "--default-index", strings.TrimRight(r.index, "/"))
	if r.wheels[0].Built == nil {
		args = append(args, "--only-binary", ":all:")
	} else {
		args = append(args, "--no-binary", ":all:", "--no-build-isolation")
		env = append(env, standInTarget+"="+r.target.Tag.String())
	}
	var requirements, overrides strings.Builder
	here, outside := map[string]bool{}, map[string]bool{}
	for _, x := range r.wheels {
		here[x.Project] = true
		fmt.Fprintf(&requirements, "%s==%s --hash=sha256:%s\n", x.Project, x.Version, hash(x))
		fmt.Fprintf(&overrides, "%s==%s\n", x.Project, x.Version)
	}
	for _, x := range r.wheels {
		for _, name := range t.needs[x.Digest] {
			if !here[name] && !outside[name] {
				outside[name] = true
				fmt.Fprintf(&overrides, "%s; python_version < '0'\n", name)
			}
		}
	}
	c := call{program: t.program, dir: t.dir, cache: filepath.Join(t.dir, "cache"), env: env}
	return c.run(ctx, args, requirements.String(), overrides.String())
}

// targetArgs name a target: by its interpreter, else by its version and platform with any other.
func targetArgs(t Target) ([]string, error) {
	program := t.Program
	if program == "" {
		if t.Tag.FreeThreaded() {
			return nil, fmt.Errorf("the free-threaded Python of %s is not on this host", t.Tag)
		}
		var err error
		if program, err = exec.LookPath("python3"); err != nil {
			return nil, err
		}
	}
	return []string{"--python", program, "--python-version", t.Version, "--python-platform", platform(t.Tag)}, nil
}

// newestGlibc is the newest that every uv here knows by name. A wheel that was chosen for a target fits
// it; what uv has to know is only that it fits a target so new.
const newestGlibc = "manylinux_2_40"

func platform(tag pypi.Tag) string {
	_, machine, _ := strings.Cut(tag.String(), "-")
	if rest, ok := strings.CutPrefix(machine, "musllinux_"); ok {
		parts := strings.SplitN(rest, "_", 3)
		return parts[len(parts)-1] + "-unknown-linux-musl"
	}
	parts := strings.SplitN(strings.TrimPrefix(machine, "manylinux_"), "_", 3)
	return parts[len(parts)-1] + "-" + newestGlibc
}

// names are a few of some wheels, for a message.
func names(wheels []Wheel) string {
	text := wheels[0].Filename
	if n := len(wheels) - 1; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}
