# Runs the pip of this interpreter, with the arguments behind; where it has none, or one that cannot
# report what it would install (before 22.2), the one that ensurepip brings. Run with -I -c.
import glob
import os
import runpy
import sys
import sysconfig


def version():
    try:
        import pip
    except ImportError:
        return (0, 0)
    return tuple(int(n) for n in pip.__version__.split(".")[:2])


def bundled():
    places = [sysconfig.get_config_var("WHEEL_PKG_DIR") or ""]
    try:
        import ensurepip

        places.append(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
    except ImportError:
        pass
    for place in filter(None, places):
        for wheel in sorted(glob.glob(os.path.join(place, "pip-*.whl"))):
            for name in [m for m in sys.modules if m.partition(".")[0] == "pip"]:
                del sys.modules[name]
            sys.path.insert(0, wheel)
            return


if version() < (22, 2):
    bundled()
if version() < (22, 2):
    sys.exit(90)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
