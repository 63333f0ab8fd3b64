"""What the rows share: directories, tools, the lock, and a store that has it."""
import functools
import json
import os
import shutil
import subprocess
import sys

from measure import Failed, LeftOut, run

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TAGS = ["-tags", "urfave_cli_no_docs"]

# Projects that real programs ask for; with what they need, some 150 wheels.
PROJECTS = """django flask fastapi uvicorn pandas numpy scipy scikit-learn matplotlib jupyterlab requests boto3 sqlalchemy
celery pytest pytest-cov pytest-xdist lxml pillow httpx pydantic rich typer ruff sympy networkx cryptography redis
psycopg2-binary openpyxl beautifulsoup4 seaborn gunicorn tqdm""".split()

# Of the large kind: 20,000 files and more, gigabytes.
LARGE = "tensorflow pandas scipy scikit-learn matplotlib plotly transformers datasets".split()

IMPORTS = ("numpy, pandas, scipy.stats, sklearn.linear_model, matplotlib.pyplot, django, flask, fastapi, "
           "sqlalchemy, boto3, celery, sympy, networkx, jupyterlab")


class World:
    """One run of the benchmarks. Downloads, locks and stores are kept from run to
    run in cache; what a run makes is in work, and goes with it."""

    def __init__(self, cache, work, binaries, quick, say, containers=None, picture=None):
        self.containers, self.picture = containers, picture
        self.cache, self.work, self.quick, self.say = cache, work, quick, say
        self.larder = os.path.join(binaries, "larder")
        self.hook = os.path.join(binaries, "larder-hook")
        self.mounts, self.kept = [], []
        self.env = clean_environment(work)
        found = shutil.which("python3")
        if not found:
            raise LeftOut("python3 is not on PATH")
        self.python = subprocess.check_output([found, "-c", "import os, sys; print(os.path.realpath(sys._base_executable))"], text=True).strip()
        # larder stocks for the python3 on PATH: the same interpreter, not a shim of it.
        first = os.path.join(work, "bin")
        os.makedirs(first)
        os.symlink(self.python, os.path.join(first, "python3"))
        self.env["PATH"] = first + ":" + self.env["PATH"]

    def rounds(self, normal, quick):
        return quick if self.quick else normal

    def call(self, *argv, ok=(0,), env=None, cwd=None):
        """Runs what is not measured; returns its standard output."""
        return run([str(a) for a in argv], {**self.env, **(env or {})}, cwd or self.work, ok)[2]

    def timed(self, *argv, ok=(0,), env=None):
        return run([str(a) for a in argv], {**self.env, **(env or {})}, self.work, ok)[0]

    def path(self, *names):
        """A path of this run's own, in a directory that is there."""
        p = os.path.join(self.work, *names)
        os.makedirs(os.path.dirname(p), exist_ok=True)
        return p

    def clear(self, path):
        shutil.rmtree(path, ignore_errors=True)
        return path

    @functools.cached_property
    def tools(self):
        """A virtual environment with the newest pip, to measure and to install uv by."""
        tools = os.path.join(self.cache, "tools")
        if not os.path.exists(os.path.join(tools, ".complete")):
            self.say("install pip and uv")
            self.clear(tools)
            self.call(self.python, "-m", "venv", tools)
            self.call(tools + "/bin/python", "-m", "pip", "install", "-q", "-U", "pip")
            try:
                self.call(tools + "/bin/python", "-m", "pip", "install", "-q", "uv")
            except Failed as e:
                self.say("uv is not to be had: %s" % e)
            open(os.path.join(tools, ".complete"), "w").close()
        return tools

    @functools.cached_property
    def uv(self):
        uv = os.environ.get("UV") or shutil.which("uv", path=self.env["PATH"])
        if not uv and os.path.exists(self.tools + "/bin/uv"):
            uv = self.tools + "/bin/uv"
        if not uv:
            raise LeftOut("uv is not on PATH, not in $UV, and pip cannot install it")
        # uv does not read pip's configuration; both shall ask the same index.
        self.env["UV_DEFAULT_INDEX"] = index_of_pip(self)
        self.env.update(UV_NO_PROGRESS="1", UV_NO_CONFIG="1", UV_PYTHON_DOWNLOADS="never")
        return uv

    @property
    def pip(self):
        return [self.tools + "/bin/python", "-m", "pip", "--disable-pip-version-check"]

    def lock_of(self, name, projects):
        """A lock with hashes of what the projects need, resolved once."""
        lock = os.path.join(self.cache, name + ".txt")
        if not os.path.exists(lock):
            self.say("resolve %s" % lock)
            wanted = self.path(name + ".in")
            with open(wanted, "w") as f:
                f.write("\n".join(projects) + "\n")
            uv = self.uv
            self.call(uv, "pip", "compile", "-q", "--cache-dir", self.cache + "/uv-warm", "--generate-hashes", "--no-header", "--no-annotate",
                      "--only-binary", ":all:", "--python", self.python, wanted, "-o", lock + ".new")
            os.rename(lock + ".new", lock)
        return lock

    @functools.cached_property
    def lock(self):
        return self.lock_of("lock", PROJECTS)

    @functools.cached_property
    def wheels(self):
        """How many wheels the lock has."""
        return count_pins(self.lock)

    @functools.cached_property
    def store(self):
        """A store with the lock's environment; the tree of its snapshot is kept mounted below run_dir."""
        store = self.stocked("store", self.lock)
        self.keep(store)
        return store

    def stocked(self, name, lock):
        store = os.path.join(self.cache, name)
        self.say("stock %s" % store)
        build = [self.larder, "--store", store, "build", "--lock", lock, "--view", "pip"]
        try:
            self.call(*build)
        except Failed as e:
            if e.status not in (3, 7):  # damaged, or of another format: it is only ours to measure with
                raise
            self.clear(store)
            self.call(*build)
        return store

    @functools.cached_property
    def run_dir(self):
        return self.new_run_dir("kept")

    @functools.cached_property
    def bare_run_dir(self):
        """A run directory where nothing is kept mounted."""
        return self.new_run_dir("bare")

    def new_run_dir(self, name):
        d = self.path("run", name)
        os.makedirs(d)
        return d

    def keep(self, store, run_dir=None):
        self.kept.append((store, run_dir or self.run_dir))
        self.call(self.larder, "--store", store, "mount", "--run-dir", run_dir or self.run_dir)

    def in_lock(self, *command, lock=None, run_dir=None, store=None, options=()):
        """The words of a larder run in the lock's environment."""
        store = store or self.store
        return [self.larder, "--store", store, "run", "--run-dir", run_dir or self.run_dir, "--required", "--missing", "fail", *options,
                "-r", lock or self.lock, "--", *command]

    def venv(self, name):
        """A new, empty virtual environment; making it is never counted."""
        d = self.clear(self.path("venvs", name))
        self.call(self.uv, "venv", "-q", "--no-project", "--python", self.python, d)
        return d

    def sync(self, venv, *options, lock=None):
        """The words of uv pip sync."""
        return [self.uv, "pip", "sync", "-q", "--python", venv + "/bin/python", *options, lock or self.lock]

    @functools.cached_property
    def uv_cache(self):
        return self.warm("uv-warm", self.lock)

    def warm(self, name, lock):
        """A uv cache that has all of the lock."""
        cache = os.path.join(self.cache, name)
        self.say("warm %s" % cache)
        self.call(*self.sync(self.venv("warm"), "--cache-dir", cache, lock=lock))
        self.clear(self.path("venvs", "warm"))
        return cache

    def tmpfs(self, name):
        """A mount of its own, as a container's cache or a CI runner's disk is."""
        d = self.path(name)
        os.makedirs(d)
        try:
            self.call("mount", "-t", "tmpfs", "-o", "mode=700", "larder-bench", d)
        except Failed as e:
            raise LeftOut("cannot mount a tmpfs: %s" % e)
        self.mounts.append(d)
        return d

    def close(self):
        for store, d in self.kept:
            subprocess.run([self.larder, "--store", store, "unmount", "--all", "--run-dir", d], stdout=subprocess.DEVNULL, check=False)
        for m in self.mounts:
            subprocess.run(["umount", m], check=False)
        left = [line.split()[4] for line in open("/proc/self/mountinfo") if line.split()[4].startswith(self.work)]
        if left:  # rmtree would go through them
            print("bench: still mounted, so not removed: %s" % " ".join(left), file=sys.stderr)
            return
        self.clear(self.work)


def clean_environment(work):
    """The environment without what would help one side or the other."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "LARDER_"))}
    for name in ("PIP_FIND_LINKS", "PIP_NO_CACHE_DIR", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV", "PIP_CACHE_DIR"):
        env.pop(name, None)
    # matplotlib makes a list of the fonts at its first import on a machine.
    env.update(MPLBACKEND="agg", MPLCONFIGDIR=os.path.join(os.path.dirname(work), "matplotlib"), PYTHONHASHSEED="0")
    return env


def index_of_pip(world):
    """The index pip is configured for, else the one it has built in."""
    if os.environ.get("PIP_INDEX_URL"):
        return os.environ["PIP_INDEX_URL"]
    for line in world.call(world.python, "-m", "pip", "config", "list").splitlines():
        key, _, value = line.partition("=")
        if key.endswith(".index-url"):
            return value.strip("'\"")
    return world.call(world.tools + "/bin/python", "-c", "from pip._internal.models.index import PyPI; print(PyPI.simple_url)").strip()


def count_pins(lock):
    with open(lock) as f:
        return sum("==" in line and not line.startswith((" ", "#", "\t")) for line in f)


def read_json(path):
    with open(path) as f:
        return json.load(f)
