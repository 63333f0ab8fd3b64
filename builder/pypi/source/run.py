# Runs one hook of a source's build back end (PEP 517), once, in a sandbox. What it is to do stands in
# the file that its one argument names. Works with Python 3.8 onwards.
import importlib
import json
import os
import sys
import tarfile
import zipfile


def unpack(archive, into):
    """Unpacks the source, whose headers were checked, and enters its one directory."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as z:
            z.extractall(into)
    else:
        with tarfile.open(archive) as t:
            if hasattr(tarfile, "data_filter"):
                t.extractall(into, filter="data")
            else:
                t.extractall(into)
    (top,) = os.listdir(into)
    os.chdir(os.path.join(into, top))


def back_end(name, path):
    """Imports the back end, from directories of the source where it names them."""
    sys.path[:0] = [os.path.abspath(p) for p in path]
    module, _, below = name.partition(":")
    found = importlib.import_module(module)
    for attribute in filter(None, below.split(".")):
        found = getattr(found, attribute)
    return found


def main():
    with open(sys.argv[1]) as f:
        task = json.load(f)
    sys.argv[1:] = []
    del sys.path[0]  # where this file is
    os.umask(0o022)
    unpack(task["source"], "/build/source")
    hooks = back_end(task["back_end"], task["back_end_path"])
    settings = task["settings"] or None
    if task["hook"] == "build_wheel":
        hooks.build_wheel("/out", settings)
        return
    ask = getattr(hooks, "get_requires_for_build_wheel", None)
    requires = list(ask(settings)) if ask else []
    with open("/out/requires.json", "w") as f:
        json.dump([str(r) for r in requires], f)


if __name__ == "__main__":
    main()
