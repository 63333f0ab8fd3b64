# Prints, as one JSON line, which indexes the pip of this interpreter uses and
# how it reaches them. Run with -I -c, behind bundled.py; works with Python 3.6
# and pip 10 onwards.
#
# The install command's own parser gives the answer (environment, files,
# sections and defaults, in pip's order), so the default index is pip's too.
# Without an installed pip, the one that ensurepip would put into a virtual
# environment answers; without that, the files and the environment are read
# here, and there is no default.
import configparser
import json
import netrc
import os
import sys


def from_pip():
    import pip

    try:
        from pip._internal.commands import create_command

        command = create_command("install")
    except ImportError:
        from pip._internal.commands import commands_dict

        command = commands_dict["install"]()
    o, _ = command.parse_args([])
    try:
        from pip._vendor import certifi

        authorities = certifi.where()
    except Exception:
        authorities = ""
    return {
        "pip": pip.__version__,
        "index_url": o.index_url or "",
        "extra": o.extra_index_urls or [],
        "no_index": bool(o.no_index),
        "trusted": o.trusted_hosts or [],
        "cert": o.cert or "",
        "client_cert": o.client_cert or "",
        "proxy": o.proxy or "",
        "timeout": float(o.timeout),
        "retries": int(o.retries),
        "authorities": authorities,
    }


def by_hand():
    """What pip would read: files from the most general on, then PIP_*."""
    home = os.path.expanduser("~")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    shared = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    files = [os.path.join(d, "pip", "pip.conf") for d in shared] + ["/etc/pip.conf"]
    files += [os.path.join(home, ".pip", "pip.conf"), os.path.join(config, "pip", "pip.conf")]
    files.append(os.path.join(sys.prefix, "pip.conf"))
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        files = []
    elif named:
        files.append(named)
    parser = configparser.RawConfigParser()
    parser.read(files, encoding="utf-8")
    values = {}
    for section in ("global", "install"):
        if parser.has_section(section):
            values.update((k.replace("_", "-"), v) for k, v in parser.items(section))
    for key, value in os.environ.items():
        if key.startswith("PIP_") and value:
            values[key[4:].lower().replace("_", "-")] = value
    return {
        "pip": "",
        "index_url": values.get("index-url", values.get("pypi-url", "")),
        "extra": values.get("extra-index-url", "").split(),
        "no_index": values.get("no-index", "").lower() in ("1", "true", "yes", "on", "y", "t"),
        "trusted": values.get("trusted-host", "").split(),
        "cert": values.get("cert", ""),
        "client_cert": values.get("client-cert", ""),
        "proxy": values.get("proxy", ""),
        "timeout": float(values.get("timeout", values.get("default-timeout", 15))),
        "retries": int(values.get("retries", 5)),
        "authorities": "",
    }


def machines():
    """netrc as requests finds it; one that cannot be read does not count."""
    for name in [os.environ.get("NETRC")] if os.environ.get("NETRC") else ["~/.netrc", "~/_netrc"]:
        path = os.path.expanduser(name)
        if os.path.exists(path):
            try:
                hosts = netrc.netrc(path).hosts
            except (netrc.NetrcParseError, OSError, UnicodeError):
                return {}
            # As requests: the login, or the account where there is none.
            return {h: [v[0] or v[1] or "", v[2] or ""] for h, v in hosts.items()}
    return {}


try:
    import pip
except ImportError:
    bundled()
try:
    import pip
except ImportError:
    answer = by_hand()
else:
    answer = from_pip()
    if ".whl" in pip.__file__:
        answer["authorities"] = ""  # unpacked for this process only
answer["netrc"] = machines()
print("\n" + json.dumps(answer))
