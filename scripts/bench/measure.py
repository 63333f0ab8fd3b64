"""Timing commands side by side, and what the samples say."""
import os
import random
import re
import subprocess
import time


class LeftOut(Exception):
    """A row cannot be measured here; the text says why."""


class Failed(Exception):
    """A command failed; status is its exit code."""

    def __init__(self, text, status):
        super().__init__(text)
        self.status = status


def run(argv, env, cwd, ok=(0,), stdin=None):
    """Runs a command; returns (wall seconds, CPU seconds, standard output)."""
    wall, usage, out = run_counted(argv, env, cwd, ok, stdin)
    return wall, usage.ru_utime + usage.ru_stime, out


def run_counted(argv, env, cwd, ok=(0,), stdin=None):
    """Runs a command; returns (wall seconds, what it and its children used, standard output).

    The output goes to a file: a pipe would have this process woken for every
    line that the command under the clock prints.
    """
    with open(os.path.join(cwd, "output"), "w+b") as out, open(os.path.join(cwd, "errors"), "w+b") as err:
        begin = time.perf_counter()
        p = subprocess.Popen(argv, env=env, cwd=cwd, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(p.pid, 0)
        wall = time.perf_counter() - begin
        p.returncode = os.waitstatus_to_exitcode(status)
        if p.returncode not in ok:
            err.seek(0)
            lines = err.read().decode(errors="replace").strip().splitlines() or ["it printed nothing"]
            raise Failed("%s: exit %d: %s" % (" ".join(argv[:4]), p.returncode, scrub(lines[-1])[:300]), p.returncode)
        out.seek(0)
        return wall, usage, out.read().decode(errors="replace")


def scrub(text):
    """Takes user names and passwords out of the URLs in a text."""
    return re.sub(r"//[^/@\s]*@", "//", text)


class Samples:
    """What one way of doing a thing took, a figure a round."""

    def __init__(self, values, unit="s", label=""):
        self.values, self.unit, self.label = list(values), unit, label

    def at(self, share):
        ordered = sorted(self.values)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    def median(self):
        ordered, n = sorted(self.values), len(self.values)
        return (ordered[(n - 1) // 2] + ordered[n // 2]) / 2

    def low(self):
        return self.at(0.1)

    def noise(self):
        """How far the median lies above the lower decile. A machine's noise only
        adds, so a quiet one gives next to nothing here."""
        return (self.median() - self.low()) / self.median() if self.median() else 0.0

    def text(self):
        out = show(self.median(), self.unit)
        if len(self.values) > 1:
            out += " (low %s)" % show(self.low(), self.unit)
        return out

    def data(self):
        return {"label": self.label, "unit": self.unit, "median": self.median(), "low": self.low(), "noise": round(self.noise(), 3), "samples": self.values}


def show(value, unit):
    """A figure as a person reads it."""
    if unit == "s":
        for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
            if abs(value) * factor >= 1 or name == "µs":
                return "%.3g %s" % (value * factor, name)
    if unit == "B":
        for factor, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B")):
            if value >= factor or name == "B":
                return "%.3g %s" % (value / factor, name)
    return "%.3g %s" % (value, unit)


def interleave(rounds, cases, progress=lambda text: None):
    """Runs every case once a round, in random order, so that whatever else the
    machine does happens to all of them. A case is a function of no arguments that
    returns the seconds it wants counted. Returns {name: Samples}."""
    took = {name: [] for name in cases}
    for n in range(rounds):
        for name in random.sample(list(cases), len(cases)):
            seconds = cases[name]()
            took[name].append(seconds)
            progress("%s %d/%d: %s" % (name, n + 1, rounds, show(seconds, "s")))
    return {name: Samples(values, label=name) for name, values in took.items()}


class Row:
    """One line of the table: ours against something, and what was hoped for.

    goal is the largest ratio (ours / against) that is good enough; with limit it
    is the largest value of ours instead."""

    def __init__(self, figure, ours, against=None, goal=None, limit=None, goal_text=None, command="", note="", ratio=None):
        self.figure, self.ours, self.against = figure, ours, against
        self.goal, self.limit, self.command, self.note = goal, limit, command, note
        self.goal_text = goal_text
        self.given = ratio

    def ratio(self):
        if self.given is not None:
            return self.given
        if self.against is None or not self.against.median():
            return None
        return self.ours.median() / self.against.median()

    def spread(self):
        """The lower and upper decile of the ratios of each round: the noise that is
        left in the ratio."""
        if self.given is not None or self.against is None or len(self.ours.values) != len(self.against.values) or len(self.ours.values) < 2:
            return None
        ratios = Samples([a / b for a, b in zip(self.ours.values, self.against.values) if b])
        return ratios.low(), ratios.at(0.9)

    def met(self):
        if self.limit is not None:
            return self.ours.median() <= self.limit
        if self.goal is not None and self.ratio() is not None:
            return self.ratio() <= self.goal
        return None

    def goal_cell(self):
        if self.limit is None and self.goal is None:
            return self.goal_text or ""
        text = self.goal_text or ("≤ " + (show(self.limit, self.ours.unit) if self.limit is not None else share(self.goal)))
        return text + {True: ", met", False: ", missed", None: ""}[self.met()]

    def cells(self):
        ratio, spread = self.ratio(), self.spread()
        ratio_text = "" if ratio is None else share(ratio)
        if spread:
            ratio_text += " (%s–%s)" % (share(spread[0]), share(spread[1]))
        noise = max(s.noise() for s in (self.ours, self.against) if s)
        against = "" if self.against is None else "%s: %s" % (self.against.label, self.against.text())
        many = len(self.ours.values) > 1
        return [self.figure, self.ours.text(), against, ratio_text, "%.0f %%" % (noise * 100) if many else "", self.goal_cell()]

    def data(self):
        return {"figure": self.figure, "ours": self.ours.data(), "against": self.against and self.against.data(), "ratio": self.ratio(),
                "ratio_spread": self.spread(), "goal": self.goal, "limit": self.limit, "met": self.met(), "command": self.command, "note": self.note}


def share(ratio):
    return "1/%.0f" % (1 / ratio) if 0 < ratio < 0.1 else "%.3g" % ratio
