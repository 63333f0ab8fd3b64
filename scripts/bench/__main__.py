"""Measures larder beside what people use now, and prints a table: make bench.

Each comparison is interleaved, in random order, in one run; figures are medians,
with the lower decile beside them. A row that cannot be measured here is left out,
and says why. Python's standard library only.
"""
import argparse
import datetime
import fcntl
import json
import os
import platform
import signal
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing of a run stays in the checkout

import cached
import containers
import gobench
import installs
import link
import memory
import npm
from measure import Failed, LeftOut, scrub
from world import CHECKOUT, World

ROWS = {
    "fetch": installs.fetch, "seal": gobench.seal, "runc": gobench.runc, "start": gobench.start, "nri": gobench.nri, "hook-memory": memory.hook,
    "plan": gobench.plan,
    "run": installs.mounted, "large": installs.large, "import": installs.first_import, "attach": gobench.attach,
    "pip": cached.pip, "merging": installs.merging, "build": installs.build, "through": installs.through, "link": link.link,
    "containers": containers.containers, "npm": npm.node_modules,
}
MOUNTS = {"hook-memory", "run", "large", "pip", "import", "merging", "through", "link", "containers", "npm"}
HEAVY = {"large": "downloads gigabytes", "containers": "writes gigabytes, and empties the host's page cache"}


def machine(world):
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory_kb = next(int(line.split()[1]) for line in open("/proc/meminfo") if line.startswith("MemTotal"))
    versions = [world.call(world.python, "-V").strip()]
    try:
        versions.append(" ".join(world.call(world.uv, "--version").split()[:2]))
        versions.append(" ".join(world.call(*world.pip, "--version").split()[:2]))
    except LeftOut:
        pass
    return "%s: %d cores (%s), %.0f GB, Linux %s, %s" % (
        datetime.date.today(), os.cpu_count(), model, memory_kb / 1e6, platform.release().split("-")[0], ", ".join(versions))


def table(rows):
    print("| figure | ours | against | ratio | noise | goal |\n| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(c.replace("|", "\\|") for c in row.cells()) + " |")


def main():
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0], epilog="rows: " + ", ".join(ROWS))
    parser.add_argument("--only", action="append", metavar="NAME", choices=list(ROWS), help="measure this row; may be repeated")
    parser.add_argument("--large", action="store_true", help="the rows that download or write gigabytes too")
    parser.add_argument("--quick", action="store_true", help="few rounds: to see that it works, not to publish")
    parser.add_argument("--containers", type=int, metavar="N", help="so many containers (default: 100; 20 with --quick)")
    parser.add_argument("--picture", metavar="FILE", help="draw what the containers cost into FILE, as SVG")
    parser.add_argument("--json", metavar="FILE", help="write every sample to FILE")
    parser.add_argument("--bin", default=os.path.join(CHECKOUT, "bin"), metavar="DIR", help="where larder and larder-hook are")
    parser.add_argument("--cache", default=os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "larder-bench"),
                        metavar="DIR", help="where locks, stores and installers' caches are kept")
    args = parser.parse_args()
    names = args.only or [name for name in ROWS if args.large or name not in HEAVY]

    say = lambda text: print("bench: %s" % text, file=sys.stderr, flush=True)
    if not os.path.exists(os.path.join(args.bin, "larder")):
        sys.exit("bench: no larder in %s; type make build first" % args.bin)
    os.makedirs(args.cache, exist_ok=True)
    alone = open(os.path.join(args.cache, "running"), "w")
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit("bench: another one runs with %s; two would measure each other" % args.cache)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is mounted is let go of
    world = World(args.cache, tempfile.mkdtemp(prefix="run-", dir=args.cache), args.bin, args.quick, say, args.containers, args.picture)
    rows, left_out, load = [], [], os.getloadavg()
    try:
        left_out += [(name, why + "; ask for it with --large") for name, why in HEAVY.items() if name not in names]
        line = machine(world)
        for name in names:
            say("== %s" % name)
            try:
                if name in MOUNTS and os.geteuid() != 0:
                    raise LeftOut("needs root")
                rows += ROWS[name](world)
            except LeftOut as e:
                left_out.append((name, str(e)))
            except Failed as e:
                left_out.append((name, "failed: %s" % e))
    finally:
        world.close()
    line += "; load %.1f before, %.1f after%s" % (load[0], os.getloadavg()[0], "; QUICK: few rounds" if args.quick else "")
    print(line + "\n")
    if rows:
        table(rows)
    print("\nCommands, and what to know:\n")
    seen = set()
    for row in rows:
        text = "- %s: `%s`%s" % (row.figure, row.command, ". " + row.note if row.note else "")
        if text not in seen:
            print(text)
            seen.add(text)
    for name, why in left_out:
        print("- left out: %s: %s" % (name, scrub(why)))
    if args.json:
        with open(args.json, "w") as f:
            json.dump({"machine": line, "rows": [r.data() for r in rows], "left_out": dict(left_out)}, f, indent=1)
    return 1 if any(why.startswith("failed") for _, why in left_out) else 0


if __name__ == "__main__":
    sys.exit(main())
