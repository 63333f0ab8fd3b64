"""Rows of pip with its cache warm: its own, and what larder puts over an empty one."""
import os
import random

from measure import Row, Samples, run_counted
from world import count_pins

BLOCK = 512  # bytes that getrusage(2) counts as one block of output

# A pip, how it is given the lock, and the views that it reads.
PIPS = (("the newest pip", None, "hashed", ["pip"]), ("pip 22.3.1", "22.3.1", "plain", ["pip-old"]))


def pip(w):
    store = os.path.join(w.cache, "views-store")
    w.say("stock %s" % store)
    w.call(w.larder, "--store", store, "build", "--lock", w.lock, *views(["wheels", "pip", "pip-old"]))
    run_dir = w.new_run_dir("views")
    w.keep(store, run_dir)
    locks = {"hashed": w.lock, "plain": w.path("plain.txt")}
    with open(w.lock) as f, open(locks["plain"], "w") as out:
        out.writelines(line.split(" ")[0].rstrip("\\\n") + "\n" for line in f if "==" in line and line[0].isalnum())
    rows = []
    for name, version, lock, old in PIPS:
        env = {"XDG_CACHE_HOME": w.path("xdg", "")}  # empty, but for what is mounted there
        if version:
            env["PYTHONPATH"] = w.path("pip-" + version)
            w.call(*w.pip, "install", "-q", "--no-deps", "--target", env["PYTHONPATH"], "pip==" + version)
        # An index that sends no cache headers would leave a pip's own cache empty: it gets what the view has.
        warm = w.clear(w.path("warm"))
        w.call(w.larder, "--store", store, "run", "--run-dir", run_dir, "--required", *views(old), "--", "cp", "-a", env["XDG_CACHE_HOME"] + "pip", warm, env=env)
        rows += of(w, name, env, locks[lock], warm, {"own download cache": None, "view " + old[0]: old, "views wheels, " + old[0]: ["wheels"] + old}, store, run_dir)
    return rows


def of(w, name, env, lock, warm, ways, store, run_dir):
    """The rows of one pip: each way in each round once, in random order."""
    target = w.path("target")
    install = [*w.pip, "install", "-q", "--no-deps", "--no-compile", "--no-warn-script-location", "--target", target, "-r", lock]

    def once(way):
        w.clear(target)
        words, more = install, {**env, "PIP_CACHE_DIR": warm}
        if ways[way]:
            del more["PIP_CACHE_DIR"]
            words = [w.larder, "--store", store, "run", "--run-dir", run_dir, "--required", *views(ways[way]), "--", *install]
        wall, usage, _ = run_counted(words, {**w.env, **more}, w.work)
        return wall, usage.ru_utime + usage.ru_stime, usage.ru_oublock * BLOCK

    took = {way: [] for way in ways}
    for n in range(w.rounds(3, 1)):
        for way in random.sample(list(ways), len(ways)):
            took[way].append(once(way))
            w.say("%s, %s %d: %.1f s, %.1f CPU s, %.0f MB written" % (name, way, n + 1, *took[way][-1][:2], took[way][-1][2] / 1e6))
    w.clear(target)
    w.clear(warm)
    get = lambda way, at, unit: Samples([t[at] for t in took[way]], unit, way)
    plain, *others = ways
    return [Row("%s, install of %d wheels, %s: %s" % (name, count_pins(lock), way, what), get(way, at, unit), get(plain, at, unit),
                command="larder run --view … -- pip install --no-deps --no-compile --target DIR -r LOCK | the same pip with its own cache warm")
            for way in others for at, unit, what in ((0, "s", "time"), (1, "s", "CPU"), (2, "B", "written"))]


def views(names):
    return [word for name in names for word in ("--view", name)]
