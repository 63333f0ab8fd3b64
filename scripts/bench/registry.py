"""A registry on loopback, with generated packages, that answers as if it were some way off."""
import base64
import gzip
import hashlib
import http.server
import io
import json
import random
import tarfile
import threading
import time

FILES, SIZE = 10, 3000  # of one package: modules, and bytes of each
AWAY = 0.04             # seconds to each answer
GROUPS = 20             # the project needs one in so many, and each of these the others of its group


class Registry:
    """Serves count packages while it is entered; the same ones every time."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.server = Server(("127.0.0.1", 0), Answer)
        self.server.pages = {}
        self.url = "http://127.0.0.1:%d/" % self.server.server_port
        for n in range(self.count):
            self.add(n)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def manifest(self):
        needs = {name(n): "1.0.0" for n in range(0, self.count, GROUPS)}
        return json.dumps({"name": "app", "version": "1.0.0", "private": True, "dependencies": needs})

    def add(self, n):
        needs = {name(i): "1.0.0" for i in range(n + 1, min(n + GROUPS, self.count))} if n % GROUPS == 0 else {}
        said = {"name": name(n), "version": "1.0.0", "main": "file0.js", "dependencies": needs}
        packed = pack(n, json.dumps(said))
        path = "/%s/-/%s-1.0.0.tgz" % (name(n), name(n))  # where registries have them
        dist = {"tarball": self.url.rstrip("/") + path, "shasum": hashlib.sha1(packed).hexdigest(),
                "integrity": "sha512-" + base64.b64encode(hashlib.sha512(packed).digest()).decode()}
        page = {"name": name(n), "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": {**said, "dist": dist}}, "modified": "2026-01-01T00:00:00.000Z"}
        self.server.pages["/" + name(n)] = ("application/vnd.npm.install-v1+json", json.dumps(page).encode())
        self.server.pages[path] = ("application/octet-stream", packed)


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128  # with the default of 5, clients that ask at once would wait for a second try


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else the body waits for the client to acknowledge the head, 40 ms or not as it likes

    def do_GET(self):
        time.sleep(AWAY)
        kind, body = self.server.pages.get(self.path, ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def name(n):
    return "generated-%04d" % n


def pack(n, manifest):
    """A tarball as npm makes it; no file is like another."""
    texts = {"package.json": manifest.encode()}
    for i in range(FILES):
        texts["file%d.js" % i] = b"// " + random.Random(n * FILES + i).randbytes(SIZE // 2).hex().encode() + b"\n"
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in texts.items():
            entry = tarfile.TarInfo("package/" + path)
            entry.size, entry.mode = len(text), 0o644
            tar.addfile(entry, io.BytesIO(text))
    return gzip.compress(out.getvalue(), 1, mtime=0)
