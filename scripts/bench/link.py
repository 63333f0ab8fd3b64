"""Rows over a link like a user's: an index on the loopback that is as far away, and as slow."""
import functools
import hashlib
import html
import http.server
import os
import re
import threading
import time
import zipfile

from measure import Row, Samples, interleave
from world import World

RATE = 20e6     # bytes a second, all connections together
DELAY = 0.030   # seconds before the first byte of an answer, and before that of a new connection


class Link:
    """Hands out the bytes of a link in order of asking."""

    def __init__(self, rate):
        self.rate, self.lock, self.free = rate, threading.Lock(), 0.0

    def send(self, size):
        with self.lock:
            self.free = max(self.free, time.monotonic()) + size / self.rate
            until = self.free
        time.sleep(max(0.0, until - time.monotonic()))


class Index(http.server.ThreadingHTTPServer):
    """A simple index of the wheels in a directory, with the headers a public one sends."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, wheels):
        self.wheels, self.link, self.pages = wheels, Link(RATE), {}
        for name in sorted(os.listdir(wheels)):
            project = re.sub(r"[-_.]+", "-", name.split("-")[0]).lower()
            with open(os.path.join(wheels, name), "rb") as f:
                digest = hashlib.file_digest(f, "sha256").hexdigest()
            self.pages.setdefault(project, []).append((name, digest, hashlib.sha256(self.metadata(name)).hexdigest()))
        super().__init__(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return "http://127.0.0.1:%d/simple/" % self.server_address[1]

    @functools.cache
    def metadata(self, wheel):
        with zipfile.ZipFile(os.path.join(self.wheels, wheel)) as z:
            return z.read(next(n for n in z.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n)))

    def page(self, project):
        lines = ['<a href="/files/%s#sha256=%s" data-core-metadata="sha256=%s">%s</a><br>' % (html.escape(n), d, m, html.escape(n))
                 for n, d, m in self.pages[project]]
        return ("<!DOCTYPE html><html><body>\n%s\n</body></html>" % "\n".join(lines)).encode()


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        time.sleep(DELAY)
        super().setup()

    def do_GET(self, body=True):
        time.sleep(DELAY)
        kind, _, name = self.path.strip("/").partition("/")
        if kind == "simple" and name in self.server.pages:
            self.answer(self.server.page(name), "text/html", "max-age=600", body)
        elif kind == "files" and name.endswith(".metadata") and os.path.basename(name) == name:
            self.answer(self.server.metadata(name.removesuffix(".metadata")), "binary/octet-stream", "max-age=365000000, immutable", body)
        elif kind == "files" and os.path.basename(name) == name and os.path.exists(os.path.join(self.server.wheels, name)):
            with open(os.path.join(self.server.wheels, name), "rb") as f:
                self.answer(f.read(), "binary/octet-stream", "max-age=365000000, immutable", body)
        else:
            self.send_error(404)

    def do_HEAD(self):
        self.do_GET(body=False)

    def answer(self, content, kind, keep, body):
        first, last, status = 0, len(content), 200
        if m := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last, status = int(m[1]), min(int(m[2] or last) + 1, last) if m[2] else last, 206
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(last - first))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", keep)
        self.send_header("ETag", '"%s"' % hashlib.sha256(content).hexdigest()[:32])
        if status == 206:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first, last - 1, len(content)))
        self.end_headers()
        for at in range(first, last if body else first, 1 << 16):
            part = content[at:min(at + (1 << 16), last)]
            self.server.link.send(len(part))
            self.wfile.write(part)

    def log_message(self, *_):
        pass


def wheels_of(w: World):
    """The lock's wheels, downloaded once."""
    wheels = os.path.join(w.cache, "wheels")
    if not os.path.exists(os.path.join(wheels, "..", "wheels.complete")):
        w.say("download %s" % wheels)
        w.call(*w.pip, "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", w.clear(wheels), "-r", w.lock)
        open(os.path.join(w.cache, "wheels.complete"), "w").close()
    return wheels


def link(w: World):
    """A lock's packages where nothing is cached yet, over the link."""
    w.uv  # names the index it is asked for, which is replaced here
    index = Index(wheels_of(w))
    env = {"PIP_INDEX_URL": index.url, "UV_DEFAULT_INDEX": index.url}
    store = w.path("link-store")
    built = w.timed(w.larder, "--store", store, "build", "--lock", w.lock, "--view", "pip", env=env)
    run_dir = w.new_run_dir("link")
    w.keep(store, run_dir)
    in_larder = [w.larder, "--store", store, "run", "--run-dir", run_dir, "--required", "--"]

    def cold(name, *options):
        def one():
            venv = w.venv(name)
            return w.timed(*w.sync(venv, "--cache-dir", w.clear(w.path("uv-link")), "--no-build", *options), env=env)
        return one

    def pip(before=(), *options):
        def one():
            venv = w.venv("link")
            w.clear(w.path("pip-link"))
            return w.timed(*before, *w.pip, "--python", venv + "/bin/python", "install", "-q", "--no-deps", *options, "-r", w.lock, env=env)
        return one

    got = interleave(w.rounds(3, 1), {
        "larder run -r LOCK": lambda: w.timed(*w.in_lock("true", run_dir=run_dir, store=store), env=env),
        "uv pip sync, cold": cold("link"), "uv pip sync --compile-bytecode, cold": cold("link", "--compile-bytecode"),
        "larder run -- pip install": pip(in_larder), "pip install, cold": pip((), "--cache-dir", w.path("pip-link")),
    }, w.say)
    index.shutdown()
    for d in ("uv-link", "pip-link", "venvs/link"):
        w.clear(w.path(d))
    size = sum(os.path.getsize(os.path.join(index.wheels, n)) for n in os.listdir(index.wheels))
    note = "an index on the loopback that sends %.0f MB/s and answers after %.0f ms; %d wheels, %.0f MB" % (RATE / 1e6, DELAY * 1e3, w.wheels, size / 1e6)
    return [
        Row("over a link: a lock's packages are there", got["larder run -r LOCK"], got["uv pip sync, cold"], command="larder run -r LOCK -- true | uv pip sync LOCK, empty cache", note=note),
        Row("the same", got["larder run -r LOCK"], got["pip install, cold"], command="larder run -r LOCK -- true | pip install --no-deps -r LOCK, empty cache"),
        Row("over a link: an unmodified pip", got["larder run -- pip install"], got["pip install, cold"], command="larder run -- pip install --no-deps -r LOCK | the same without larder, empty cache"),
        Row("over a link: build of the lock", Samples([built]), got["uv pip sync --compile-bytecode, cold"], command="larder build --lock LOCK --view pip | uv pip sync --compile-bytecode LOCK, empty cache"),
    ]
