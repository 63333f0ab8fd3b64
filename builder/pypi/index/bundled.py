import glob
import os
import sys


def bundled():
    """Puts the pip wheel of ensurepip on the path, before any other pip."""
    import sysconfig

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


