//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// locked is a lock that was built, and the runs that have its packages.
type locked struct {
	*program
	python string // the interpreter the snapshot is for
	lock   string
}

// newLocked resolves packages with pip, builds the lock, and returns its runs.
func newLocked(t *testing.T, packages ...string) locked {
	t.Helper()
	p := newProgram(t)
	python := p.python()
	text, n := p.resolved(python, packages...)
	m := locked{p, python, p.file("requirements.txt", text)}
	start := time.Now()
	p.must("larder", "build", "--lock", m.lock)
	t.Logf("%d packages resolved, built in %.1f s", n, time.Since(start).Seconds())
	return m
}

// run runs a shell script in a new directory with the lock's packages; options
// are those of larder run.
func (m locked) run(t *testing.T, script string, options ...string) string {
	t.Helper()
	return m.in(t, t.TempDir(), script, options...)
}

func (m locked) in(t *testing.T, dir, script string, options ...string) string {
	t.Helper()
	p := &program{t, m.bin, m.env}
	args := append([]string{"run", "-r", m.lock, "--missing=fail", "--required"}, options...)
	return p.must("larder", append(args, "--", "sh", "-euc", `cd "$0"; `+script, dir)...)
}

// askServer starts a server (its arguments follow the path to ask it for; {port}
// is a free port) and prints what it answers on loopback.
const askServer = `
import socket, subprocess, sys, time, urllib.error, urllib.request
path, command = sys.argv[1], sys.argv[2:]
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = str(s.getsockname()[1])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
server = subprocess.Popen([a.replace("{port}", port) for a in command], stdout=sys.stderr)
try:
    for _ in range(600):
        if server.poll() is not None:
            sys.exit("the server ended with %d" % server.returncode)
        try:
            with opener.open("http://127.0.0.1:" + port + path, timeout=30) as answer:
                print(answer.status, answer.read().decode())
            break
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.1)
    else:
        sys.exit("no answer in a minute")
finally:
    server.terminate()
    server.wait(30)
`

// ask is the shell command that runs askServer.
const ask = `python -c "$ASK" `

// Programs people really run work on a mounted environment as on an installed
// one: they find their data files, templates, plugins, scripts and libraries.
func TestE2EPrograms(t *testing.T) {
	needE2E(t)
	t.Parallel()
	m := newLocked(t, "django", "flask", "fastapi", "uvicorn", "pytest", "pytest-xdist", "pytest-cov", "jupyterlab",
		"numpy", "pandas", "scipy", "scikit-learn", "matplotlib", "lxml", "pillow", "pyyaml", "cryptography")
	m.program = m.with("ASK=" + askServer)
	for _, c := range []struct {
		name, script string
		want         []string // of the output, regular expressions
	}{
		// The symlinked pools of 2023 broke Django: it takes the real path of its
		// files, for the list of common passwords, templates and migrations.
		{"django", `
			django-admin startproject site1 .
			python manage.py migrate
			DJANGO_SUPERUSER_PASSWORD=a-Rather-odd-one-42 python manage.py createsuperuser --noinput --username admin --email admin@host.example
			python manage.py shell -c '
import django.contrib.auth as auth
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
try: validate_password("password")
except ValidationError as e: print("refused:", e.messages)
print("user:", auth.authenticate(username="admin", password="a-Rather-odd-one-42"))
'
			python manage.py makemigrations --check
			` + ask + `/admin/login/ python manage.py runserver --noreload 127.0.0.1:{port}
			` + ask + `/static/admin/css/base.css python manage.py runserver --noreload 127.0.0.1:{port} | head -n 3`,
			[]string{`Applying auth\.0012\S+ OK`, `Superuser created`, `refused: \['This password is too common.'`, `user: admin`,
				`No changes detected`, `200 <!DOCTYPE html>[\s\S]*csrfmiddlewaretoken`, `200 /\*\s+DJANGO Admin styles`}},
		{"flask", `
			mkdir templates; echo 'hello {{ name }}' >templates/a.html
			printf '%s\n' 'import flask' 'app = flask.Flask(__name__)' '@app.get("/<name>")' 'def a(name): return flask.render_template("a.html", name=name)' >app.py
			` + ask + `/larder flask run --port {port}`,
			[]string{`^200 hello larder\n`}},
		{"fastapi", `
			printf '%s\n' 'import fastapi' 'app = fastapi.FastAPI()' '@app.get("/item/{n}")' 'async def item(n: int) -> dict: return {"twice": 2*n}' >app.py
			` + ask + `/item/21 uvicorn --port {port} app:app
			` + ask + `/openapi.json uvicorn --port {port} app:app`,
			[]string{`^200 \{"twice":42\}\n`, `200 \{"openapi":"3`}},
		{"pytest", `
			mkdir pkg; echo 'def f(x): return 2*x' >pkg/__init__.py
			printf '%s\n' 'import pkg, pytest' '@pytest.mark.parametrize("n", range(20))' 'def test_f(n): assert pkg.f(n) == n + n' >test_pkg.py
			python -m pytest -n 2 --cov=pkg --cov-report=term test_pkg.py`,
			[]string{`plugins: .*xdist`, `plugins: .*cov-`, `20 passed`, `pkg/__init__.py +1 +0 +100%`}},
		// The kernel is found by a data file under the prefix, and is started by it.
		{"jupyterlab", `
			export JUPYTER_RUNTIME_DIR=$PWD/runtime IPYTHONDIR=$PWD/ipython
			jupyter kernelspec list
			printf '%s' '{"cells":[{"cell_type":"code","id":"a","execution_count":null,"metadata":{},"outputs":[],"source":"import numpy; print(numpy.arange(10).sum())"}],"metadata":{},"nbformat":4,"nbformat_minor":5}' >n.ipynb
			jupyter nbconvert --to markdown --execute --stdout n.ipynb
			` + ask + `/lab jupyter lab --no-browser --allow-root --ip=127.0.0.1 --port={port} --ServerApp.port_retries=0 --IdentityProvider.token= --ServerApp.password=`,
			[]string{`python3 +/\S+/share/jupyter/kernels/python3`, `(?m)^ *45$`, `200 <!doctype html>[\s\S]*<title>JupyterLab</title>`}},
		{"science", `
			export MPLCONFIGDIR=$PWD/mpl
			python -c '
import matplotlib; matplotlib.use("Agg")
import matplotlib.pyplot as plt, numpy as np, pandas as pd, scipy.linalg, sklearn.datasets, sklearn.linear_model
x, y = sklearn.datasets.load_diabetes(return_X_y=True, as_frame=True)
fit = sklearn.linear_model.LinearRegression().fit(x, y)
print("score %.2f" % fit.score(x, y))
print("inverse", np.allclose(scipy.linalg.inv(np.eye(3) * 4), np.eye(3) / 4))
print("mean", pd.Series([1, 2, 6]).mean())
plt.scatter(y, fit.predict(x)); plt.title("größe $x^2$"); plt.savefig("a.png")
'
			head -c 8 a.png | od -An -c; wc -c <a.png`,
			[]string{`score 0\.5`, `inverse True`, `mean 3\.0`, `211   P   N   G`, `\n\d{5,}\n`}},
		{"libraries", `
			python -c '
import lxml.etree, yaml, PIL.Image, PIL.features
from cryptography.fernet import Fernet
print("lxml", lxml.etree.fromstring("<a><b>x</b></a>").xpath("string(//b)"), lxml.etree.LIBXML_VERSION)
print("pillow", PIL.features.check("jpg"), PIL.features.check("freetype2"))
PIL.Image.new("RGB", (8, 8), "red").save("a.jpg"); print("jpeg", PIL.Image.open("a.jpg").size)
print("yaml", yaml.load("[1, {a: b}]", Loader=yaml.CSafeLoader))
k = Fernet(Fernet.generate_key()); print("fernet", k.decrypt(k.encrypt(b"y")))
'`,
			[]string{`lxml x \(2,`, `pillow True True`, `jpeg \(8, 8\)`, `yaml \[1, \{'a': 'b'\}\]`, `fernet b'y'`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			start := time.Now()
			out := m.run(t, c.script)
			t.Logf("%.1f s", time.Since(start).Seconds())
			for _, want := range c.want {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no %s in:\n%s", want, clip(out))
				}
			}
		})
	}
	t.Run("nothing written", func(t *testing.T) { nothingWritten(t, m) })
	t.Run("page cache shared", func(t *testing.T) { pageCacheShared(t, m) })
	m.must("larder", "verify", "--full")
}

// clip keeps the ends of a long output.
func clip(s string) string {
	if len(s) < 6000 {
		return s
	}
	return s[:3000] + "\n[...]\n" + s[len(s)-3000:]
}

// nothingWritten imports big packages: the bytecode is there and accepted, so
// Python writes none and the upper stays empty.
func nothingWritten(t *testing.T, m locked) {
	report := filepath.Join(t.TempDir(), "report.json")
	m.run(t, `export MPLCONFIGDIR=$PWD; python -c "import numpy, pandas, scipy.stats, sklearn.svm, matplotlib, django.db, lxml.etree, jupyterlab"`, "--report", report)
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		UpperBytes int64 `json:"upper_bytes"`
	}
	if err := json.Unmarshal(b, &got); err != nil || got.UpperBytes != 0 {
		t.Errorf("%v, %d bytes in the upper: %s", err, got.UpperBytes, b)
	}
}

// pageCacheShared starts two runs that import numpy, and reads what memory of
// its files each has to itself.
func pageCacheShared(t *testing.T, m locked) {
	script := "import os, numpy.linalg; numpy.linalg.inv(numpy.eye(64)); print(os.getpid(), flush=True); input()"
	var pids []int
	for range 2 {
		cmd := exec.Command(m.bin, "run", "-r", m.lock, "--missing=fail", "--required", "--", "python", "-c", script)
		cmd.Env = m.env
		pids = append(pids, startPrinting(t, cmd))
	}
	for _, pid := range pids {
		rss, pss := filesOf(t, pid, "/numpy")
		t.Logf("numpy's files in process %d: Rss %d kB, Pss %d kB", pid, rss, pss)
		if rss < 1000 || pss*100 > rss*60 {
			t.Errorf("Pss is %d kB of Rss %d kB; want at most 60%%", pss, rss)
		}
	}
}

// startPrinting starts a command that prints its process id and then waits for
// the end of its input, which comes when the test ends.
func startPrinting(t *testing.T, cmd *exec.Cmd) (pid int) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = w, &errs
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	if _, err := fmt.Fscan(r, &pid); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, errs.String())
	}
	return pid
}

// filesOf sums the memory, in kB, that a process has of the files whose path
// holds part.
func filesOf(t *testing.T, pid int, part string) (rss, pss int) {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps")
	if err != nil {
		t.Fatal(err)
	}
	counts := false
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 1 && !strings.HasSuffix(f[0], ":") { // a mapping: range mode offset device inode path
			counts = len(f) > 5 && strings.Contains(f[5], part) && !strings.Contains(f[1], "w")
		}
		if !counts || len(f) < 2 {
			continue
		}
		n, _ := strconv.Atoi(f[1])
		switch f[0] {
		case "Rss:":
			rss += n
		case "Pss:":
			pss += n
		case "Anonymous:": // written by the loader before it took the right to write away
			rss, pss = rss-n, pss-n
		}
	}
	return rss, pss
}
