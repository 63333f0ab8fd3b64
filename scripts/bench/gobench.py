"""Rows that Go benchmarks measure."""
import os
import re
import shutil

from measure import LeftOut, Row, Samples
from world import CHECKOUT, TAGS


def bench(w, package, pattern, count, **env):
    """Runs a Go benchmark; returns {sub-benchmark: {unit: value}} and the whole text."""
    if not shutil.which("go"):
        raise LeftOut("go is not on PATH")
    w.say("go test -bench %s %s" % (pattern, package))
    text = w.call("go", "-C", CHECKOUT, "test", *TAGS, package, "-run", "^$", "-bench", pattern, "-benchtime", count, "-timeout", "60m", env=env)
    found = {}
    for line in text.splitlines():
        m = re.match(r"Benchmark\w+/?(\S*?)(?:-\d+)?\s+\d+\s+(.*)", line)
        if m:
            words = m[2].split()
            found[m[1]] = {unit: float(value) for value, unit in zip(words[::2], words[1::2])}
    if not found:
        raise LeftOut("the benchmark of %s measured nothing: %s" % (package, re.sub(r"\s+", " ", text)[:200]))
    return found, text


def one(value, unit="s", label=""):
    return Samples([value], unit, label)


def seal(w):
    found, _ = bench(w, "./snapshot/image", "BenchmarkSeal", w.rounds("5x", "1x"))
    command = "go test -bench Seal ./snapshot/image"
    rows = [Row("seal, a file of %s" % n, one(found[n]["us/file"] / 1e6), limit=5e-6, command=command) for n in ("10000", "50000", "200000")]
    first, last = found["10000"]["us/file"], found["200000"]["us/file"]
    rows[-1].note = "a file of 200,000 costs %.2f times one of 10,000" % (last / first)
    return rows


def runc(w):
    if os.geteuid() != 0:
        raise LeftOut("needs root")
    for tool in ("runc", "ldd"):
        if not shutil.which(tool):
            raise LeftOut("%s is not on PATH" % tool)
    found, text = bench(w, "./cmd/larder-hook", "BenchmarkRunc", w.rounds("200x", "10x"), LARDER_E2E="1")
    laps, kind, rows = {}, "", []
    for line in text.splitlines():
        if m := re.search(r"BenchmarkRunc/(\w+)", line):
            kind = m[1]
        if m := re.search(r"(\w[\w ]*?)\s+p10\s+([\d.]+)\s+p50\s+([\d.]+)\s+p90\s+([\d.]+) ms", line):
            laps.setdefault(kind, {})[m[1]] = float(m[3]) / 1e3
    for kind, text in (("kept", "tree kept by larder mount"), ("own", "a tree of its own")):
        f = found.get(kind)
        if not f:
            continue
        none = f["none-p10-ms"] / 1e3
        noise = ", ".join("%s %.0f %%" % (k, 100 * (f[k + "-p50-ms"] / f[k + "-p10-ms"] - 1)) for k in ("none", "true", "go", "larder"))
        inside = ", ".join("%s %.2f ms" % (k, 1e3 * v) for k, v in laps.get(kind, {}).items())
        rows.append(Row("runc run: what larder-hook adds at both stages (%s)" % text,
                        one(f["larder-p10-ms"] / 1e3 - none), one(f["go-p10-ms"] / 1e3 - none, label="a Go program that does nothing, at both"), goal=2,
                        command="go test -bench Runc ./cmd/larder-hook", note="lower deciles; runc run alone %.1f ms, with /bin/true at both %.1f ms more; median above the lower decile: %s; by the hook's own log (medians): %s" % (none * 1e3, f["true-p10-ms"] - f["none-p10-ms"], noise, inside)))
    return rows


def nri(w):
    if os.geteuid() != 0:
        raise LeftOut("needs root")
    if not shutil.which("runc"):
        raise LeftOut("runc is not on PATH")
    found, _ = bench(w, "./cmd/larder-nri", "BenchmarkNRI", w.rounds("100x", "10x"), LARDER_E2E="1")
    rows = []
    for f in found.values():
        asks, silent, bare = (f[k + "-p10-µs"] / 1e6 for k in ("asks", "silent", "bare"))
        rows.append(Row("StartContainer: what a pod that asks adds", one(asks - silent), one(bare, label="bare calls"), goal=1.5,
                        command="go test -bench NRI ./cmd/larder-nri", note="lower deciles; NRI itself %.2f ms" % (silent * 1e3)))
    return rows


def start(w):
    if os.geteuid() != 0:
        raise LeftOut("needs root")
    found, _ = bench(w, "./cmd/larder-hook", "BenchmarkStart", w.rounds("300x", "20x"))
    f = next(iter(found.values()))
    command = "go test -bench Start ./cmd/larder-hook"
    note = "lower deciles, without a runtime; two /bin/true %.1f ms; attach %.1f ms, release %.1f ms" % tuple(f[k + "-p10-ms"] for k in ("true", "larder-attach", "larder-release"))
    return [Row("larder-hook at both stages", one(f["larder-p10-ms"] / 1e3), one(f["go-p10-ms"] / 1e3, label="a Go program that does nothing, twice"), goal=2, command=command, note=note),
            Row("the same, processor time", one(f["larder-cpu-p10-ms"] / 1e3), one(f["go-cpu-p10-ms"] / 1e3, label="a Go program that does nothing, twice"), goal=2, command=command)]


def attach(w):
    if os.geteuid() != 0:
        raise LeftOut("needs root")
    found, _ = bench(w, "./overlay", "BenchmarkAttach", w.rounds("200x", "20x"))
    rows = []
    for n, f in sorted(found.items(), key=lambda item: int(item[0]) if item[0].isdigit() else 1 << 30):
        name = n + " lowers" if n != "merged" else "500 packages merged into one lower"
        rows.append(Row("attach: " + name, one(f["kept-µs"] / 1e6), one(f["bare-µs"] / 1e6, label="bare calls"),
                        goal=1.3, command="go test -bench Attach ./overlay", note="lower deciles; with a tree of its own %.2f ms" % (f["fresh-µs"] / 1e3)))
        if n == "merged":
            rows.append(Row("attach: merged, whatever the number", one(f["kept-µs"] / 1e6), limit=0.2e-3, command=rows[-1].command))
    return rows


def plan(w):
    """Memory and time of a plan: generated pages on loopback, served by another process."""
    found, _ = bench(w, "./builder/pypi", "BenchmarkPlan", "1x")
    rows = []
    for n, f in found.items():
        goal = {"limit": 200.0} if n == "15000" else {}
        rows.append(Row("peak memory of a builder planning %s projects" % n, one(f["peak-MB"], "MB"), command="go test -bench Plan ./builder/pypi", **goal))
        goal = {"limit": 5.0} if n == "15000" else {}
        rows.append(Row("time of that plan", one(f["s/plan"]), command="go test -bench Plan ./builder/pypi", **goal))
    return rows
