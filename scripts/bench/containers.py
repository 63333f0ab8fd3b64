"""What a hundred containers of one lock cost: bytes on disk, memory, page cache.

The containers are runc's, and all alike: they import numpy and pandas, say so,
and sleep. Only what is on /opt/venv differs: larder's hook mounts the lock there,
or a virtual environment of the container's own is bound there.
"""
import ctypes
import json
import os
import platform
import shutil
import subprocess
import time

from measure import Failed, LeftOut, Row, Samples, show
from picture import draw

PROJECTS = ["numpy", "pandas"]
SCRIPT = "import signal, numpy, pandas; open('/ready/%d', 'w').close(); signal.pause()"
VENV, HOME = "/opt/venv", "/home/a"
KEPT = "/run/larder"   # the hook looks nowhere else for trees that are kept mounted
DISK = 300 << 20       # free bytes that a container's own copy may take
PATIENCE = 900         # seconds until the last import is done

# What is measured: name, unit, and how it is called.
FIGURES = (
    ("disk", "B", "bytes on disk, all of them"),
    ("own", "B", "bytes on disk, what one container adds"),
    ("memory", "B", "memory that the containers' group is charged for, page cache included"),
    ("pss", "B", "resident, what is shared divided by who shares it (Pss)"),
    ("private", "B", "resident, of one process alone"),
    ("shared", "B", "resident, shared: each process's share counted in full"),
    ("cache", "B", "page cache of the packages' files"),
    ("kernel", "B", "memory of the kernel for them: inodes, names, page tables"),
    ("imported", "s", "from the first start to the last import done, no file in memory before"),
    ("all", "s", "the same, and all environments made from the lock before"),
)


class Bundle:
    """The root that all containers share, and the runtime's directories."""

    def __init__(self, w):
        self.w, self.state, self.ready = w, w.path("runc"), w.path("ready")
        self.root, self.started = w.path("rootfs"), []
        self.group = "/larder-bench-%d" % os.getpid()
        self.bound = [(d, "ro") for d in ("/usr", "/bin", "/lib", "/lib64") if os.path.exists(d)]
        prefix = os.path.dirname(os.path.dirname(w.python))
        if not prefix.startswith("/usr"):
            self.bound.append((prefix, "ro"))
        for d in ["/proc", "/dev", "/tmp", "/ready", "/mnt/cacache", HOME + "/.cache/pip", VENV] + [d for d, _ in self.bound]:
            os.makedirs(self.root + d, exist_ok=True)
        os.makedirs(self.ready)
        w.call(w.python, "-m", "venv", "--without-pip", self.root + VENV)

    def spec(self, n, side):
        bind = lambda source, to, how: {"destination": to, "type": "bind", "source": source, "options": ["rbind", how]}
        mounts = [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                  bind(self.ready, "/ready", "rw")] + [bind(d, d, how) for d, how in self.bound]
        if venv := side.venv(n):
            mounts.append(bind(venv, VENV, "rw"))
        env = ["PATH=%s/bin:/usr/bin:/bin" % VENV, "HOME=" + HOME]
        return {"ociVersion": "1.0.2", "root": {"path": self.root}, "mounts": mounts, "hooks": side.hooks(),
                "process": {"args": [VENV + "/bin/python", "-c", SCRIPT % n], "cwd": "/", "env": env, "user": {"uid": 0, "gid": 0}},
                "linux": {"cgroupsPath": "%s/%d" % (self.group, n), "namespaces": [{"type": t} for t in ("pid", "mount", "ipc", "uts")]}}

    def bundle(self, n):
        return self.w.path("bundles", str(n))

    def start(self, n, side):
        """Starts a container and returns while it imports."""
        d = self.bundle(n)
        os.makedirs(d, exist_ok=True)
        with open(os.path.join(d, "config.json"), "w") as f:
            json.dump(self.spec(n, side), f)
        name = "larder-bench-%d-%d" % (os.getpid(), n)
        self.started.append(name)
        self.w.call("runc", "--root", self.state, "run", "--detach", "--pid-file", os.path.join(d, "pid"), "-b", d, name, cwd=d)
        with open(os.path.join(d, "pid")) as f:
            return int(f.read())

    def wait(self, pids):
        """Until each has imported; one that ends before is a failure."""
        end = time.monotonic() + PATIENCE
        while len(os.listdir(self.ready)) < len(pids):
            for n, pid in enumerate(pids):
                if not os.path.exists("/proc/%d/exe" % pid):
                    with open(os.path.join(self.bundle(n), "errors")) as f:
                        raise Failed("container %d ended: %s" % (n, (f.read().splitlines() or ["it said nothing"])[-1]), 1)
            if time.monotonic() > end:
                raise Failed("%d of %d containers have not imported after %d s" % (len(pids) - len(os.listdir(self.ready)), len(pids), PATIENCE), 1)
            time.sleep(0.05)

    def stop(self):
        for name in self.started:
            subprocess.run(["runc", "--root", self.state, "delete", "--force", name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        self.started = []
        for n in os.listdir(self.ready):
            os.unlink(os.path.join(self.ready, n))
        for top in group_directories(self.group):
            os.rmdir(top)


class Larder:
    label = "Larder"

    def __init__(self, w, lock):
        self.w, self.store = w, w.stocked("containers-store", lock)
        w.keep(self.store, KEPT)
        self.settings = w.path("containers.toml")
        with open(self.settings, "w") as f:
            f.write('[profile.default]\nviews = ["pip"]\nlock = %s\nvenv = "%s"\nmissing = "fail"\n' % (json.dumps(lock), VENV))
        os.chmod(self.settings, 0o600)
        self.once, self.each = [e.path for e in os.scandir(self.store) if e.name != "instances"], [os.path.join(self.store, "instances")]

    def make(self, n):
        pass

    def venv(self, n):
        return None

    def hooks(self):
        words = ["--store", self.store, "--config", self.settings]
        stage = lambda *args: [{"path": self.w.hook, "args": ["larder-hook", *args, *words], "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "timeout": 60}]
        return {"createRuntime": stage("attach", "--required"), "poststop": stage("release")}

    def clear(self):
        pass


class Venvs:
    """A virtual environment for each container."""

    def __init__(self, w, lock, cache):
        self.w, self.lock, self.cache = w, lock, cache
        self.top = w.path("containers")
        self.once, self.each = [], [self.top]

    def venv(self, n):
        return os.path.join(self.top, str(n))

    def new(self, n, *options):
        self.w.call(self.w.uv, "venv", "-q", "--no-project", "--python", self.w.python, self.venv(n))
        self.w.call(*self.w.sync(self.venv(n), "--offline", "--cache-dir", self.cache, *options, lock=self.lock))

    def hooks(self):
        return {}

    def clear(self):
        self.w.clear(self.top)


class Copies(Venvs):
    label = "copies of a virtual environment"

    def make(self, n):
        if n == 0:
            self.new(n, "--link-mode", "copy", "--compile-bytecode")
        else:
            self.w.call("cp", "-a", self.venv(0), self.venv(n))


class Links(Venvs):
    label = "uv, hard links"

    def __init__(self, *args):
        super().__init__(*args)
        self.once = [self.cache]

    def make(self, n):
        self.new(n, "--link-mode", "hardlink")


def group_directories(group):
    """Where a control group is, whatever the hierarchies: those of version 1 by their controllers, that of version 2."""
    tops = ["/sys/fs/cgroup"] + [e.path for e in os.scandir("/sys/fs/cgroup") if e.is_dir()]
    return [top + group for top in tops if os.path.isdir(top + group)]


def charged(group):
    """(memory, kernel's part) that a control group and those below are charged for."""
    for d in group_directories(group):
        number = lambda name: int(open(os.path.join(d, name)).read())
        if os.path.exists(os.path.join(d, "memory.usage_in_bytes")):
            return number("memory.usage_in_bytes"), number("memory.kmem.usage_in_bytes")
        if os.path.exists(os.path.join(d, "memory.current")):
            with open(os.path.join(d, "memory.stat")) as f:
                return number("memory.current"), int(dict(line.split() for line in f)["kernel"])
    raise LeftOut("no control group of memory")


def resident(pids):
    """The sums over the processes of what the kernel says of their pages."""
    sums = {}
    for pid in pids:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            for line in f.readlines()[1:]:
                key, kb, _ = line.split()
                sums[key] = sums.get(key, 0) + int(kb) * 1024
    private = sums["Private_Clean:"] + sums["Private_Dirty:"]
    return {"pss": sums["Pss:"], "private": private, "shared": sums["Shared_Clean:"] + sums["Shared_Dirty:"]}


def cached(fd, libc=ctypes.CDLL(None, use_errno=True)):
    """Bytes of a file that are in the page cache: cachestat, of Linux 6.5 and later, by its number on all architectures but alpha."""
    everything, answer = (ctypes.c_uint64 * 2)(0, 0), (ctypes.c_uint64 * 5)()
    if libc.syscall(451, fd, ctypes.byref(everything), ctypes.byref(answer), 0) != 0:
        raise LeftOut("cachestat: %s (Linux %s)" % (os.strerror(ctypes.get_errno()), platform.release()))
    return answer[0] * os.sysconf("SC_PAGE_SIZE")


def footprint(tops):
    """(bytes on disk, bytes in the page cache) of what is below, a file with many names once, other mounts left out."""
    disk, cache, seen = 0, 0, set()
    waiting = [(top, os.lstat(top)) for top in tops if os.path.exists(top)]
    devices = {st.st_dev for _, st in waiting}
    while waiting:
        path, st = waiting.pop()
        if (st.st_dev, st.st_ino) in seen or st.st_dev not in devices:
            continue
        seen.add((st.st_dev, st.st_ino))
        disk += st.st_blocks * 512
        if os.path.isdir(path) and not os.path.islink(path):
            waiting += [(e.path, e.stat(follow_symlinks=False)) for e in os.scandir(path)]
        elif os.path.isfile(path) and not os.path.islink(path):
            fd = os.open(path, os.O_RDONLY)
            cache += cached(fd)
            os.close(fd)
    return disk, cache


def forget():
    """Nothing that was read or written before is in memory."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("3")


def measure(w, bundle, side, count):
    """All figures of one side; nothing of it is left."""
    try:
        begin = time.monotonic()
        for n in range(count):
            side.make(n)
        made = time.monotonic() - begin
        w.say("%s: made in %.1f s" % (side.label, made))
        forget()
        begin = time.monotonic()
        pids = [bundle.start(n, side) for n in range(count)]
        bundle.wait(pids)
        imported = time.monotonic() - begin
        got = resident(pids)
        memory, kernel = charged(bundle.group)
        os.sync()
        disk, cache = footprint(side.once + side.each)
        once, _ = footprint(side.once)
        got.update(memory=memory, kernel=kernel, disk=disk, cache=cache, own=(disk - once) / count, imported=imported, all=made + imported)
        w.say("%s: %s" % (side.label, ", ".join("%s %s" % (k, show(got[k], unit)) for k, unit, _ in FIGURES)))
        return got
    finally:
        try:
            bundle.stop()
        finally:
            side.clear()


def containers(w):
    for tool in ("runc", "cp"):
        if not shutil.which(tool):
            raise LeftOut("%s is not on PATH" % tool)
    count = w.containers or w.rounds(100, 20)
    free = shutil.disk_usage(w.work).free
    if free < count * DISK:
        raise LeftOut("copies for %d containers may take %.0f GB, and %.0f GB are free; --containers says how many" % (count, count * DISK / 1e9, free / 1e9))
    lock = w.lock_of("containers", PROJECTS)
    cache = w.warm("uv-containers", lock)
    bundle = Bundle(w)
    got = {side.label: measure(w, bundle, side, count) for side in (Larder(w, lock), Copies(w, lock, cache), Links(w, lock, cache))}
    if w.picture:
        with open(w.picture, "w") as f:
            f.write(draw("%d containers with %s from one lock" % (count, " and ".join(PROJECTS)), got))
    ours = got.pop(Larder.label)
    of = lambda key, unit, values, label: Samples([values[key]], unit, label)
    command = "runc run -d, %d times: import %s" % (count, ", ".join(PROJECTS))
    notes = {"disk": "larder's store with its wheels for pip, and uv's cache, are counted once",
             "imported": "bytecode is compiled in larder's store and in the copies; uv leaves that to the first import, unless told otherwise",
             "all": "larder's store and uv's cache are there before"}
    return [Row("%d containers: %s" % (count, text), of(key, unit, ours, "Larder"), of(key, unit, theirs, label), command=command, note=notes.get(key, ""))
            for key, unit, text in FIGURES for label, theirs in got.items()]
