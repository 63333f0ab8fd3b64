//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"larder/builder/pypi/index"
)

// projectTools are commands that look after a project's own environment. In a mounted one they find
// nothing to do.
var projectTools = map[string][]string{
	"uv.lock":     {`"$UV" run python -c 'import flask'`, `"$UV" sync --inexact`, `"$UV" sync`, `"$UV" sync --check`, `"$UV" pip check`},
	"poetry.lock": {`"$POETRY" run python -c 'import flask'`, `"$POETRY" install --no-root`, `"$POETRY" sync --no-root`, `"$POETRY" run pip check`},
}

// One project, locked by the tools that write each format, is one environment
// whatever the format.
func TestE2ELockFormats(t *testing.T) {
	needE2E(t)
	t.Parallel()
	p := newProgram(t)
	python := p.python()
	m := locked{program: p, python: python}
	pip, err := index.FromPip(t.Context(), []string{python})
	if err != nil {
		t.Fatal(err)
	}
	uv := filepath.Join(newVenv(t, m, filepath.Join(t.TempDir(), "uv"), "uv"), "bin", "uv")
	poetry := filepath.Join(newVenv(t, m, filepath.Join(t.TempDir(), "poetry"), "poetry"), "bin", "poetry")
	minor := strings.TrimSpace(p.must(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"))

	// Markers that hold and that do not, an extra, and a source of poetry's,
	// which else asks its own index for answers that mirrors do not have.
	dir := t.TempDir()
	project := fmt.Sprintf(`[project]
name = "small"
version = "0.1"
requires-python = "==%s.*"
dependencies = ["flask[async]==3.0.3", "rich>=13 ; python_version >= '3.8'", "colorama ; sys_platform == 'win32'", "tomli ; python_version < '3.8'", "pyyaml"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "configured"
url = %q
priority = "primary"
`, minor, pip.Indexes[0])
	if err := os.WriteFile(filepath.Join(dir, "pyproject.toml"), []byte(project), 0o644); err != nil {
		t.Fatal(err)
	}
	tools := p.with("UV_DEFAULT_INDEX="+pip.Indexes[0], "UV="+uv, "POETRY="+poetry)
	tools.with("UV_PYTHON="+python, "POETRY_VIRTUALENVS_CREATE=false").must("sh", "-euc", `cd "$0"
		"$UV" lock
		"$UV" export --format pylock.toml -o pylock.toml
		"$UV" export --no-emit-project -o hashed.txt
		"$UV" export --no-emit-project --no-hashes -o pinned.txt
		"$POETRY" lock --no-interaction
		"$1" -m venv --without-pip .venv`, dir, python)

	m.program = m.with("SURVEY=" + surveyPython)
	var first string
	for _, name := range []string{"pinned.txt", "hashed.txt", "pylock.toml", "uv.lock", "poetry.lock"} {
		t.Run(name, func(t *testing.T) {
			m := locked{m.program, python, filepath.Join(dir, name)}
			(&program{t, m.bin, m.env}).must("larder", "build", "--lock", m.lock)
			got := m.run(t, `pip check >&2; flask --version | grep Flask; python -c "$SURVEY"`)
			if strings.Contains(got, `"colorama"`) || strings.Contains(got, `"tomli"`) || !strings.Contains(got, `"asgiref"`) {
				t.Errorf("markers or extras are wrong:\n%s", clip(got))
			}
			if first == "" {
				first = got
			}
			if got != first {
				t.Errorf("another environment than pinned.txt gives:\n%s", lineDiff(first, got))
			}
			m.program = tools
			for _, command := range projectTools[name] {
				inst := filepath.Join(t.TempDir(), "inst")
				m.in(t, dir, command, "--venv", filepath.Join(dir, ".venv"), "--instance", inst)
				if written := filesFrom(t, filepath.Join(inst, "env", "u"), 1); len(written) > 0 {
					t.Errorf("%s wrote into the environment: %q", command, written)
				}
			}
		})
	}
}
