# A compiler of Python source that other programs talk to (see compiler.go).
#
# It runs nothing of what it is given: compile() parses and translates, marshal
# writes the result down. The interpreter was started without site-packages, so a
# source's coding line can load nothing but the standard library's encodings.
import sys
sys.path[:] = [p for p in sys.path if p]
import gc
import marshal
import resource

# A source can be written to need far more memory than its size (MemoryError is
# then no different from any other source that does not compile). Data and not address
# space: what an allocator only reserves costs nothing.
memory, most = int(sys.argv[1]), int(sys.argv[2])
hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
if hard != resource.RLIM_INFINITY:
    memory = min(memory, hard)
resource.setrlimit(resource.RLIMIT_DATA, (memory, hard))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def serve(read, write, flush):
    while True:
        head = read(8)
        if len(head) < 8:
            return
        path = read(int.from_bytes(head[:4], "little")).decode("utf-8")
        source = read(int.from_bytes(head[4:], "little"))
        try:
            code = compile(source, path, "exec", dont_inherit=True)
            data = marshal.dumps(code)
            status = b"+"
            if len(data) > most:
                status, data = b"-", b"too much code"
        except Exception as e:
            data = type(e).__name__.encode()
            status = b"-"
        code = source = path = None
        write(status + len(data).to_bytes(4, "little"))
        write(data)
        flush()


# What is alive now stays: no collection needs to look at it again, and compiling
# makes no cycles.
gc.freeze()
gc.disable()
out = sys.stdout.buffer
import importlib.util
magic, tag = importlib.util.MAGIC_NUMBER, sys.implementation.cache_tag.encode()
out.write(magic + sys.version_info[1].to_bytes(4, "little") + len(tag).to_bytes(4, "little") + tag)
out.flush()
serve(sys.stdin.buffer.read, out.write, out.flush)
