# Prints, as one JSON line, what this interpreter reads besides a program's own files: its executable,
# its standard library, and the shared libraries behind it and all of its extension modules; and what
# extension modules are compiled with: its headers, and how it was compiled itself. Run with -I -S -B,
# so that sys.path is the standard library alone; works with Python 3.8 onwards.
import hashlib
import importlib
import json
import os
import sys
import sysconfig

library = [p for p in sys.path if os.path.isdir(p)]
for place in library:
    for name in sorted(os.listdir(place)):
        module = name.partition(".")[0]
        # Tk would bring a windowing system. The modules for CPython's own tests are not used by builds.
        if not name.endswith(".so") or module.startswith(("_tkinter", "_test", "_ctypes_test", "xx", "_xx")):
            continue
        try:
            importlib.import_module(module)
        except Exception:
            pass  # its library is not on this host, so no build here can use it
how = importlib.import_module(sysconfig._get_sysconfigdata_name()).build_time_vars
mapped = set()
with open("/proc/self/maps") as maps:
    for line in maps:
        path = line.rstrip("\n").split(None, 5)[5:]
        if path and path[0].startswith("/") and ".so" in os.path.basename(path[0]):
            mapped.add(path[0])
print(json.dumps({
    "executable": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "library": library,
    "mapped": sorted(mapped),
    "prefix": os.path.realpath(sys.base_prefix),
    "include": sorted(p for p in {sysconfig.get_path("include"), sysconfig.get_path("platinclude")} if os.path.isdir(p)),
    "compiled": hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest(),
    "directory": "python%d.%d" % sys.version_info[:2] + ("t" if "t" in getattr(sys, "abiflags", "") else ""),
}))
