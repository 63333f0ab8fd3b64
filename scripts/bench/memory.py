"""Peak memory of the hook, in a real container."""
import json
import os
import re
import shutil

from measure import LeftOut, Row, Samples


def hook(w):
    if os.geteuid() != 0:
        raise LeftOut("needs root")
    # GNU time starts the hook from a small process: one started from here would
    # count this interpreter's own pages as its peak.
    for tool in ("runc", "time"):
        if not shutil.which(tool):
            raise LeftOut("%s is not on PATH (GNU time is Debian's package time)" % tool if tool == "time" else "runc is not on PATH")
    w.store
    bundle = w.path("bundle", "config.json")
    root = os.path.join(os.path.dirname(bundle), "rootfs")
    for d in ("proc", "dev", "root"):
        os.makedirs(os.path.join(root, d))
    shutil.copy(w.larder, os.path.join(root, "larder"))  # static, so it needs no more
    settings = w.path("hook.toml")
    open(settings, "w").close()
    os.chmod(settings, 0o600)

    def stage(verb):
        return {"path": shutil.which("time"), "args": ["time", "-a", "-o", w.path(verb), "-f", "peak %M", w.hook, verb, "--store", w.store, "--config", settings]
                + (["--required"] if verb == "attach" else []), "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "timeout": 15}

    namespaces = [{"type": t} for t in ("pid", "mount", "ipc", "uts")]
    spec = {"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "linux": {"namespaces": namespaces},
            "process": {"args": ["/larder", "version"], "cwd": "/", "env": ["HOME=/root"], "user": {"uid": 0, "gid": 0}},
            "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"}],
            "hooks": {"createRuntime": [stage("attach")], "poststop": [stage("release")]}}
    with open(bundle, "w") as f:
        json.dump(spec, f)
    for n in range(w.rounds(10, 2)):
        w.call("runc", "run", "-b", os.path.dirname(bundle), "larder-bench-%d-%d" % (os.getpid(), n))
    rows = []
    for verb in ("attach", "release"):
        with open(w.path(verb)) as f:
            peaks = [int(kb) * 1024 for kb in re.findall(r"^peak (\d+)$", f.read(), re.M)]
        rows.append(Row("peak memory of larder-hook " + verb, Samples(peaks, "B"), command="GNU time around the hook, in runc run"))
    return rows
