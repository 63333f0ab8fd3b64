# Runs the pip of this interpreter, with the arguments behind; where it has none, or one that cannot
# report what it would install (before 22.2), the one that ensurepip brings. Run with -I -c, behind
# bundled.py of package index.
import runpy
import sys


def version():
    try:
        import pip
    except ImportError:
        return (0, 0)
    return tuple(int(n) for n in pip.__version__.split(".")[:2])


if version() < (22, 2):
    bundled()
if version() < (22, 2):
    sys.exit(90)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
