"""Rows of node_modules: a lock of npm's mounted, and made by npm and by pnpm."""
import os
import shutil
import subprocess

from measure import Failed, LeftOut, Row, Samples, interleave, run
from registry import Registry
from world import read_json

# Pinned: npm ci refuses a lock of packages that a registry does not have whole, which the newest often are not.
NEXT = '{"name": "app", "version": "1.0.0", "private": true, "dependencies": {"next": "15.1.0", "react": "19.0.0", "react-dom": "19.0.0"}}\n'
HELD = 50
SETTINGS = {"npm_config_" + key: "false" for key in ("audit", "fund", "update_notifier", "omit_lockfile_registry_resolved")}


class Project:
    """A lock made by npm, and a directory for each that makes its node_modules.

    kept is where the lock, the store and the warm caches are."""

    def __init__(self, w, name, manifest, kept, env):
        self.w, self.kept, self.env = w, os.path.join(kept, name), {**w.env, **SETTINGS, **env}
        self.env["npm_config_store_dir"] = self.path("pnpm-store")  # of pnpm, whose import has no option for it
        made = self.path("project")
        if not os.path.exists(made + "/package-lock.json"):
            w.clear(made)
            os.makedirs(made)
            with open(made + "/package.json", "w") as f:
                f.write(manifest)
            w.say("npm locks %s" % name)
            self.timed("npm", "install", "--package-lock-only", "--ignore-scripts", "--prefix", made, "--cache", self.path("npm-warm"))
        self.dirs = {who: w.path(name, who) for who in ("larder", "npm", "pnpm")}
        for d in self.dirs.values():
            shutil.copytree(made, d)
        self.lock = self.dirs["larder"] + "/package-lock.json"
        w.say("warm npm's cache with %s" % name)
        self.npm()
        made = self.dirs["npm"] + "/node_modules"
        self.packages = len(read_json(made + "/.package-lock.json")["packages"])
        files = [os.path.join(d, f) for d, _, names in os.walk(made) for f in names]
        self.files, self.bytes = len(files), sum(os.lstat(f).st_size for f in files)
        w.say("stock %s" % self.path("store"))
        self.build(self.path("store"))

    def path(self, name):
        return os.path.join(self.kept, name)

    def timed(self, *words, cwd=None):
        return run(list(words), self.env, cwd or self.w.work)[0]

    def build(self, store):
        return self.timed(self.w.larder, "--store", store, "build", "--lock", self.lock)

    def npm(self, cache=None):
        d = self.dirs["npm"]
        self.w.clear(d + "/node_modules")
        return self.timed("npm", "ci", "--ignore-scripts", "--prefix", d, "--cache", cache or self.path("npm-warm"))

    def pnpm(self):
        d = self.dirs["pnpm"]
        self.w.clear(d + "/node_modules")
        return self.timed(pnpm(self.w), "install", "--frozen-lockfile", "--ignore-scripts", "--package-import-method", "hardlink", cwd=d)

    def warm_pnpm(self):
        """pnpm has the lock's versions, in a lock of its own, and all of it in its store."""
        self.w.say("warm pnpm's store with %s" % os.path.basename(self.kept))
        self.timed(pnpm(self.w), "import", cwd=self.dirs["pnpm"])
        self.pnpm()

    def words(self, *command, **more):
        return self.w.in_lock(*command, lock=self.lock, store=self.path("store"), **more)


def pnpm(w):
    """A pnpm of the bench's own, as npm installs it."""
    d = os.path.join(w.cache, "pnpm")
    found = d + "/node_modules/.bin/pnpm"
    if not os.path.exists(found):
        w.say("install pnpm")
        w.call("npm", "install", "--prefix", d, "--no-audit", "--no-fund", "pnpm@10")
    return found


def node_modules(w):
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            raise LeftOut("%s is not on PATH" % tool)
    rows = mounted(w, Project(w, "next", NEXT, os.path.join(w.cache, "npm"), {}))
    # Generated: one server on loopback answers all three.
    with Registry(1000) as registry:
        env = {"npm_config_registry": registry.url, "npm_config_cache": w.path("npm-generated", "cache")}
        project = Project(w, "generated", registry.manifest(), w.path("kept"), env)
        rows += mounted(w, project) + [held(w, project)]
    return rows


def mounted(w, p):
    """node_modules ready, bytes in the upper, and the build before."""
    w.keep(p.path("store"))
    ours = lambda **more: lambda: p.timed(*p.words("true", **more))
    cases = {"kept": ours(), "fresh": ours(run_dir=w.bare_run_dir), "npm ci, warm": p.npm}
    without = ""
    try:
        p.warm_pnpm()
        cases["pnpm warm, hard links"] = p.pnpm
    except Failed as e:
        without = "; no row of pnpm: %s" % e
    ours()()
    got = interleave(w.rounds(3, 1), cases, w.say)
    lock = "LOCK of %d packages (%d files, %.0f MB)" % (p.packages, p.files, p.bytes / 1e6)
    figure = "larder run -r %s -- true" % lock
    theirs = {"npm ci, warm": ("npm ci --ignore-scripts", 1 / 50), "pnpm warm, hard links": ("pnpm install --frozen-lockfile --ignore-scripts, of one store", 1 / 20)}
    rows = []
    for name, (command, goal) in theirs.items():
        if name not in got:
            continue
        rows += [Row(figure, got["kept"], got[name], goal=goal, command="larder run -r LOCK -- true (after larder mount) | " + command),
                 Row(figure + ", no tree kept", got["fresh"], got[name], goal=goal, command="the same without larder mount")]
    rows[0].note = versions(w) + without

    reported = w.path("upper.json")
    p.timed(*p.words("true", options=["--report", reported]))
    rows.append(Row("bytes in its upper, " + lock, Samples([read_json(reported)["upper_bytes"]], "B"), limit=0, command="larder run --report FILE -r LOCK -- true"))

    cold = {"larder": lambda: p.build(w.clear(w.path("npm-cold", "store"))), "npm ci, cold": lambda: p.npm(w.clear(w.path("npm-cold", "cache")))}
    got = interleave(w.rounds(2, 1), cold, w.say)
    rows.append(Row("build of " + lock, got["larder"], got["npm ci, cold"], goal=1, command="larder build --lock LOCK, empty store | npm ci --ignore-scripts, empty cache"))
    w.clear(w.path("npm-cold"))
    w.clear(p.dirs["npm"] + "/node_modules")
    w.clear(p.dirs["pnpm"] + "/node_modules")
    return rows


def held(w, p):
    """The last of many that run at once, beside one that runs alone."""
    alone, last = [], []
    for _ in range(w.rounds(5, 1)):
        alone.append(p.timed(*p.words("true")))
        running = []
        try:
            for _ in range(HELD - 1):
                running.append(subprocess.Popen(p.words("sh", "-c", "echo; read _"), env=p.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
                if running[-1].stdout.readline() != b"\n":
                    raise Failed("larder run number %d did not start" % len(running), 1)
            last.append(p.timed(*p.words("true")))
        finally:
            for child in running:
                child.communicate()  # its input ends, and so does it
    return Row("run %d of %d packages, %d others running" % (HELD, p.packages, HELD - 1), Samples(last), Samples(alone, label="the first, alone"),
               command="larder run -r LOCK -- true")


def versions(w):
    return "node %s, npm %s" % (w.call("node", "-v").strip().lstrip("v"), w.call("npm", "-v").strip())
