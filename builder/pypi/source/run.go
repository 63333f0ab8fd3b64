package source

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"

	"larder/builder/pypi/source/sdist"
	"larder/builder/sandbox"
	"larder/snapshot"
)

//go:embed run.py
var runner []byte

//go:embed clock.py
var clock []byte

// Where things are in the sandbox.
const (
	runnerFile = "/runner/run.py"
	taskFile   = "/runner/task.json"
	clockDir   = "/clock" // on sys.path of every Python, and empty but in the second build
	sourceDir  = "/source"
)

// The hooks (PEP 517).
const (
	askHook   = "get_requires_for_build_wheel"
	buildHook = "build_wheel"
)

// task is what the runner is to do.
type task struct {
	Hook        string            `json:"hook"`
	Source      string            `json:"source"`
	BackEnd     string            `json:"back_end"`
	BackEndPath []string          `json:"back_end_path"`
	Settings    map[string]string `json:"settings"`
}

// run runs one hook. A *Failure is the source's.
func (b *Builder) run(ctx context.Context, a *archive, r Recipe, hook string, vary int) (*sandbox.Result, error) {
	root, err := b.rootOf(ctx, r.Kind)
	if err != nil {
		return nil, err
	}
	site, err := b.site(ctx, r.Requires)
	if err != nil {
		return nil, err
	}
	t := task{hook, path.Join(sourceDir, "archive"), r.BackEnd, append([]string{}, r.BackEndPath...), r.Settings}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	s := sandbox.Spec{
		Args: []string{root.python, runnerFile, taskFile},
		Dir:  "/build",
		Mounts: append(slices.Clip(root.mounts),
			sandbox.Mount{Source: filepath.Join(site, modules), Target: root.site}, sandbox.Mount{Source: a.path, Target: t.Source}),
		Files: map[string][]byte{prefix + "/pyvenv.cfg": root.config, runnerFile: runner, taskFile: text},
		// The tree, what a back end copies of it, and the wheel. A source that unpacks to far more than
		// its size gets no more for it.
		Limits: sandbox.Limits{Output: 1<<30 + 6*a.size},
		Vary:   vary,
		Env:    variables(r.Environment),
	}
	if r.Kind == snapshot.Native {
		s.Mounts = append(s.Mounts, sandbox.Mount{Source: filepath.Join(site, commands), Target: commandsDir})
	}
	if vary > 0 {
		s.Files[clockDir+"/sitecustomize.py"] = clock
	}
	result, err := b.cfg.Sandbox.Run(ctx, s)
	if err != nil {
		return nil, err
	}
	if f := ended(result); f != nil {
		result.Close()
		return nil, f
	}
	return result, nil
}

// variables are an environment, sorted.
func variables(all map[string]string) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list = append(list, name+"="+all[name])
	}
	return list
}

// ended is what of a run's end is a failure.
func ended(r *sandbox.Result) *Failure {
	switch {
	case r.Limit != "":
		return fail(Limit, "its build met the limit of %s", r.Limit)
	case r.Status != 0:
		return failureOf(r.Status, r.Log)
	}
	return nil
}

// ask runs the hook that tells of further build requirements.
func (b *Builder) ask(ctx context.Context, a *archive, r Recipe) ([]string, error) {
	result, err := b.run(ctx, a, r, askHook, 0)
	if err != nil {
		return nil, err
	}
	defer result.Close()
	const most = 1 << 20
	f, size, err := openRegular(result.Output, "requires.json")
	if err != nil {
		return nil, fail(BadSource, "its back end does not say what it needs: %s", err)
	}
	defer f.Close()
	var more []string
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err == nil && size < most {
		err = json.Unmarshal(text, &more)
	}
	if err != nil || size >= most {
		return nil, fail(BadSource, "what its back end needs cannot be read: %v", err)
	}
	return more, asFailure(sdist.CheckRequires(more))
}
