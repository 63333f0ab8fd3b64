"""Rows that compare larder with installers: pip and uv."""
import hashlib
import json
import os
import random
import time

from measure import LeftOut, Row, Samples, interleave, run
from world import IMPORTS, LARGE, count_pins, read_json


def fetch(w):
    """Fetch, hash and store: what larder does for views alone. The wheels are those
    that larder's ranking chooses, pinned, so that all three fetch the same."""
    names = w.path("names.txt")
    with open(w.lock) as f, open(names, "w") as out:
        projects = [line.split("==")[0].strip() for line in f if "==" in line and line[0].isalnum()]
        out.write("\n".join(projects) + "\n")
    words = ["build", "--ranking", names, "--top", str(len(projects)), "--layers=false", "--view", "pip"]
    plan = json.loads(w.call(w.larder, "--json", "--store", w.store, *words, "--dry-run", ok=(0, 8)))
    pins = w.path("fetch.txt")
    with open(pins, "w") as f:
        f.writelines("%s==%s\n" % (p["project"], p["version"]) for p in plan["plan"])
    n = len(plan["plan"])

    def ours():
        store = w.clear(w.path("fetch-store"))
        return w.timed(w.larder, "--store", store, *words, ok=(0, 8))

    def pip():
        d = w.clear(w.path("download"))
        return w.timed(*w.pip, "download", "-q", "--no-cache-dir", "--no-deps", "--only-binary", ":all:", "-d", d, "-r", pins)

    def uv():
        cache = w.clear(w.path("uv-cold"))
        venv = w.venv("cold")
        return w.timed(*w.sync(venv, "--cache-dir", cache, "--no-build", lock=pins))

    got = interleave(w.rounds(5, 2), {"larder": ours, "pip download": pip, "uv pip sync, cold": uv}, w.say)
    for d in ("fetch-store", "download", "uv-cold", "venvs/cold"):
        w.clear(w.path(d))
    figure = "fetch + hash + store of %d wheels" % n
    command = "larder build --ranking NAMES --layers=false --view pip"
    return [
        Row(figure, got["larder"], got["pip download"], goal=0.3, command=command + " | pip download --no-cache-dir --no-deps -r PINS"),
        Row(figure, got["larder"], got["uv pip sync, cold"], goal=1, command=command + " | uv pip sync PINS, empty cache",
            note="uv unpacks and links besides; larder checks every archive and seals besides"),
    ]


def build(w):
    """The whole of a lock, from nothing to an environment that can be mounted."""
    reports, again = [], []

    def ours(*options):
        def one():
            store = w.clear(w.path("build-store"))
            words = [w.larder, "--json", "--store", store, "build", "--lock", w.lock, *options]
            wall, cpu, out = run(words, w.env, w.work)
            if options:
                reports.append((json.loads(out), wall, cpu))
                again.append(w.timed(*words))
            return wall
        return one

    def uv():
        cache = w.clear(w.path("uv-cold"))
        venv = w.venv("cold")
        return w.timed(*w.sync(venv, "--cache-dir", cache, "--no-build", "--compile-bytecode"))

    slow = {}

    def pip():
        if not slow:  # minutes; once says enough
            venv = w.venv("pip")
            slow["s"] = w.timed(*w.pip, "--python", venv + "/bin/python", "install", "-q", "--no-cache-dir", "--no-deps", "--only-binary", ":all:", "-r", w.lock)
            w.clear(venv)
        return slow["s"]

    cases = {"larder": ours("--view", "pip"), "larder, usual views": ours(), "uv pip sync --compile-bytecode, cold": uv, "pip install": pip}
    got = interleave(w.rounds(3, 1), cases, w.say)
    got["pip install"].values = got["pip install"].values[:1]
    for d in ("build-store", "uv-cold", "venvs/cold"):
        w.clear(w.path(d))
    figure = "build of %d wheels: fetch, check, unpack, hash, compile, seal" % w.wheels
    cold = got["uv pip sync --compile-bytecode, cold"]
    command = "larder build --lock LOCK --view pip"
    stages = ", ".join("%s %.1f" % (k, v) for k, v in reports[-1][0]["seconds"].items())
    rate = Samples([r["bytes"] / wall / os.cpu_count() for r, wall, _ in reports], "B/s")
    return [
        Row(figure, got["larder"], cold, goal=1, command=command + " | uv pip sync --compile-bytecode LOCK, empty cache",
            note="seconds by stage: %s; CPU %.1f s" % (stages, reports[-1][2])),
        Row(figure + ", the usual views", got["larder, usual views"], cold, command="larder build --lock LOCK | the same",
            note="wheels, pip and simple: each wheel once"),
        Row(figure, got["larder"], got["pip install"], goal=1 / 3, command=command + " | pip install --no-cache-dir --no-deps -r LOCK (once)"),
        Row("bytes hashed a second and core in that build", per_second(rate), bare_hash(), command=command + " | hashlib.sha256, one core",
            note="%.0f MB in %d objects; the rest of the time is download, inflate, compile, writing" % (reports[-1][0]["bytes"] / 1e6, reports[-1][0]["objects"])),
        Row("second, unchanged build", Samples(again), got["larder"], goal=0.05, command=command + ", twice"),
    ]


def per_second(rate):
    return Samples([v / 1e6 for v in rate.values], "MB/s")


def bare_hash():
    """How fast this machine hashes, one core, nothing else."""
    block, took = bytes(1 << 26), []
    for _ in range(5):
        begin = time.perf_counter()
        hashlib.sha256(block).digest()
        took.append(len(block) / 1e6 / (time.perf_counter() - begin))
    return Samples(took, "MB/s", "bare SHA-256")


def mounted(w):
    """The whole process of larder run, nothing but the environment in it."""
    w.store
    ours = lambda **more: lambda: w.timed(*w.in_lock("true", **more))

    def uv(*options):
        def one():
            venv = w.venv("warm")
            return w.timed(*w.sync(venv, "--offline", *options))
        return one

    ours()()
    links = interleave(w.rounds(20, 3), {
        "larder": ours(), "no tree kept": ours(run_dir=w.bare_run_dir),
        "uv warm, hard links": uv("--cache-dir", w.uv_cache, "--link-mode", "hardlink")}, w.say)
    away = w.tmpfs("tmpfs")
    w.say("copy the uv cache to another mount")
    w.call("cp", "-a", w.uv_cache + "/.", away)
    copies = interleave(w.rounds(5, 1), {
        "larder": ours(), "uv warm, copy": uv("--cache-dir", away, "--link-mode", "copy"),
        "uv warm, copy, --compile-bytecode": uv("--cache-dir", away, "--link-mode", "copy", "--compile-bytecode")}, w.say)
    w.clear(w.path("venvs", "warm"))
    w.call("umount", away)
    w.mounts.remove(away)
    figure, command = "larder run -r LOCK -- true, %d wheels" % w.wheels, "larder run -r LOCK -- true (after larder mount) | uv pip sync --offline --link-mode "
    return [
        Row(figure, links["larder"], links["uv warm, hard links"], goal=1 / 50, command=command + "hardlink LOCK"),
        Row(figure + ", no tree kept", links["no tree kept"], links["uv warm, hard links"], command="the same without larder mount"),
        Row(figure, copies["larder"], copies["uv warm, copy"], command=command + "copy LOCK, cache on a tmpfs"),
        Row(figure, copies["larder"], copies["uv warm, copy, --compile-bytecode"], goal=1 / 500,
            command=command + "copy --compile-bytecode LOCK, cache on a tmpfs"),
    ]


def large(w):
    """The same for a lock of gigabytes."""
    lock = w.lock_of("large", LARGE)
    store = w.stocked("large-store", lock)
    cache = w.warm("uv-large", lock)
    w.keep(store)
    reported = w.path("large.json")

    def uv():
        venv = w.venv("large")
        return w.timed(*w.sync(venv, "--offline", "--cache-dir", cache, "--link-mode", "copy", lock=lock))

    ours = lambda: w.timed(*w.in_lock("true", lock=lock, store=store))
    ours()
    got = interleave(w.rounds(5, 1), {"larder": ours, "uv warm, copy": uv}, w.say)
    counted = w.call(*w.in_lock("sh", "-c", 'find "$VIRTUAL_ENV/lib/" -type f | wc -l; du -sb "$VIRTUAL_ENV/lib/"', lock=lock, store=store)).split()
    w.call(*w.in_lock("true", lock=lock, store=store, options=["--report", reported]))
    w.clear(w.path("venvs", "large"))
    command = "larder run -r LARGE -- true (after larder mount) | uv pip sync --offline --link-mode copy LARGE"
    return [
        Row("larder run -r LARGE -- true: %d wheels, %s files, %.1f GB" % (count_pins(lock), counted[0], int(counted[1]) / 1e9),
            got["larder"], got["uv warm, copy"], goal=1 / 500, command=command),
        Row("bytes in its upper", Samples([read_json(reported)["upper_bytes"]], "B"), limit=0, command="larder run --report FILE -r LARGE -- true"),
    ]


def first_import(w):
    """From a lock to the first import done."""
    w.store
    script = "import " + IMPORTS

    def uv():
        venv = w.venv("import")
        return w.timed(*w.sync(venv, "--offline", "--cache-dir", w.uv_cache)) + w.timed(venv + "/bin/python", "-c", script)

    ours = lambda: w.timed(*w.in_lock("python", "-c", script))
    ours()
    got = interleave(w.rounds(5, 2), {"larder": ours, "uv warm + same import": uv}, w.say)
    w.clear(w.path("venvs", "import"))
    return [Row("lock to first import done, %d packages" % len(IMPORTS.split(",")), got["larder"], got["uv warm + same import"], goal=1 / 3,
                command="larder run -r LOCK -- python -c IMPORTS | uv pip sync --offline LOCK && python -c IMPORTS")]


def merging(w):
    """What it gains that a lock given to build is one lower, not one a wheel."""
    w.store
    # The same pins but one that nothing imports: a lock the snapshot never saw.
    with open(w.lock) as f:
        lines = f.read().replace("\\\n", "\\\0").splitlines()
    drop = next(line for line in lines if line.startswith(("ruff==", "gunicorn==")))
    unseen = w.path("unseen.txt")
    with open(unseen, "w") as f:
        f.write("\n".join(line for line in lines if line != drop).replace("\\\0", "\\\n") + "\n")
    reported = w.path("unseen.json")
    w.call(*w.in_lock("true", lock=unseen, options=["--report", reported]))
    lowers = max(m["lowers"] for m in read_json(reported)["mounts"])
    if lowers < w.wheels / 2:
        raise LeftOut("the lock without one pin is mounted with %d lowers: it is not stacked" % lowers)
    script = "import " + IMPORTS
    cases = {name: (lambda words: lambda: w.timed(*words))(w.in_lock(*command, lock=lock))
             for name, lock, command in (("merged", w.lock, ["true"]), ("stacked", unseen, ["true"]),
                                         ("merged import", w.lock, ["python", "-c", script]), ("stacked import", unseen, ["python", "-c", script]))}
    got = interleave(w.rounds(10, 2), cases, w.say)
    for name in ("stacked", "stacked import"):
        got[name].label = "%d lowers" % lowers
    return [
        Row("larder run -r LOCK -- true: merged", got["merged"], got["stacked"], command="larder run -r LOCK -- true | with a lock first seen"),
        Row("larder run and first import: merged", got["merged import"], got["stacked import"], command="larder run -r LOCK -- python -c IMPORTS | with a lock first seen"),
    ]


PROBE = '''
import json, os, statistics, subprocess, sys, time
site, script = sys.argv[1:]
def imported():
    return float(subprocess.check_output([sys.executable, "-c", "import time; t = time.perf_counter(); %s; print(time.perf_counter() - t)" % script]))
out = {"first": imported(), "import": statistics.median(imported() for _ in range(3))}
files = [os.path.join(d, f) for d, _, names in os.walk(site) for f in names if f.endswith(".py")][:5000]
def each(f):
    for _ in range(2):
        begin = time.perf_counter()
        for p in files: f(p)
        took = time.perf_counter() - begin
    return took / len(files)
def read(p):
    fd = os.open(p, os.O_RDONLY)
    while os.read(fd, 1 << 20): pass
    os.close(fd)
out["stat"], out["read"] = each(os.stat), each(read)
print(json.dumps(out))
'''


def through(w):
    """Files through the mount, and the same files copied to a plain directory."""
    w.store
    plain = w.clear(w.path("plain"))
    os.makedirs(plain)
    w.call(*w.in_lock("sh", "-c", 'cp -a "$VIRTUAL_ENV/." "$1"', "sh", plain))
    script = "import " + IMPORTS
    ways = {
        "larder": w.in_lock("sh", "-c", 'exec "$VIRTUAL_ENV/bin/python" -c "$1" "$VIRTUAL_ENV/lib" "$2"', "sh", PROBE, script),
        "plain files": [plain + "/bin/python", "-c", PROBE, plain + "/lib", script],
    }
    for words in ways.values():
        w.call(*words)
    took = {name: [] for name in ways}
    for n in range(w.rounds(7, 1)):
        for name in random.sample(list(ways), 2):
            took[name].append(json.loads(w.call(*ways[name])))
            w.say("%s %d: import %.2f s" % (name, n + 1, took[name][-1]["import"]))
    w.clear(plain)
    get = lambda name, key: Samples([t[key] for t in took[name]], label=name)
    command = "larder run -r LOCK -- python PROBE | a copy of that environment's files"
    return [Row(text, get("larder", key), get("plain files", key), goal=goal, command=command) for text, key, goal in (
        ("import of %d packages through the mount" % len(IMPORTS.split(",")), "import", 1.05),
        ("the same, first after the attach", "first", None),
        ("stat, a file", "stat", None), ("open + read + close, a file", "read", None))]
