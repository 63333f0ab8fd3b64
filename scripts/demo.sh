#!/usr/bin/env bash
# The main job, from a ranking to an unmodified pip that downloads no wheel, in a
# scratch store: `make demo`. Needs root, Go and Python 3; with Debian's packages at
# hand (runc, debootstrap) also inside real containers.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  echo "demo: mounts need root; run it as: sudo make demo" >&2
  exit 1
fi
for tool in go python3; do
  command -v $tool >/dev/null || { echo "demo: $tool is not on PATH; install it and run make demo again" >&2; exit 1; }
done

dir=${LARDER_DEMO:-/var/tmp/larder-demo}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/larder-demo
packages=(flask requests numpy pandas)
export LARDER_STORE=$dir/store
unset PYTHONDONTWRITEBYTECODE
work=$(mktemp -d "${TMPDIR:-/tmp}/larder-demo.XXXXXX")
containers=()
cleanup() {
  for id in "${containers[@]}"; do runc delete -f "$id" >/dev/null 2>&1 || true; done
  bin/larder unmount --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
say() { printf '\n== %s\n' "$*"; }
now() { python3 -c 'import time; print(time.monotonic())'; }
since() { python3 -c "import time; print('%.1f' % (time.monotonic() - $1))"; }

say "build the two binaries"
make -s build
mkdir -p "$dir" "$cache"
python=$(python3 -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
echo "store $LARDER_STORE, interpreter $python ($($python -V))"

# What containers need; without it steps 3 and 4 are left out, and say so.
why_not=""
if ! command -v runc >/dev/null || ! command -v debootstrap >/dev/null; then
  if command -v apt-get >/dev/null; then
    say "install runc and debootstrap"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq runc debootstrap; } >"$work/apt.log" 2>&1 ||
      why_not="apt-get could not install runc and debootstrap: $(tail -n 1 "$work/apt.log")"
  else
    why_not="runc and debootstrap are not here, and this is no Debian to install them"
  fi
fi

rootfs=$cache/rootfs
if [ -z "$why_not" ] && [ ! -e "$rootfs/.complete" ]; then
  say "make a root file system with debootstrap (once, kept in $rootfs)"
  rm -rf "$rootfs"
  # The suite and mirror this host itself installs from.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | head -n 1)
  suite=$(. /etc/os-release; echo "${VERSION_CODENAME:-stable}")
  if debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates "$suite" "$rootfs" ${mirror:+"$mirror"} >"$work/debootstrap.log" 2>&1; then
    touch "$rootfs/.complete"
  else
    why_not="debootstrap failed: $(grep -E '^E:' "$work/debootstrap.log" | tail -n 1)"
  fi
fi

targets=()
tag_of='import sys, os; print("cp%d%d-manylinux_%s_%s" % (*sys.version_info[:2], os.confstr("CS_GNU_LIBC_VERSION").split()[1].replace(".", "_"), os.uname().machine))'
host_tag=$($python -c "$tag_of")
targets+=(--target "$host_tag")
if [ -z "$why_not" ]; then
  guest_tag=$(chroot "$rootfs" python3 -c "$tag_of")
  [ "$guest_tag" = "$host_tag" ] || targets+=(--target "$guest_tag")
fi

# --- 1. rank and stock -------------------------------------------------------------
say "1. what the four packages need today, as pip resolves it"
lock=$work/demo.txt
"$python" -m venv "$work/resolver"
"$work/resolver/bin/python" -m pip install -q --disable-pip-version-check -U pip
"$work/resolver/bin/python" -m pip install -q --dry-run --ignore-installed --only-binary :all: --report "$work/report.json" "${packages[@]}"
python3 - "$work/report.json" >"$lock" <<'PY'
import json, sys
for item in json.load(open(sys.argv[1]))["install"]:
    print("%s==%s" % (item["metadata"]["name"], item["metadata"]["version"]))
PY
wc -l <"$lock" | xargs printf '%s packages\n'

say "1. stock the top 60 of the ranking and those, and publish"
rc=0
python_dir=$(dirname "$python")
PATH=$python_dir:$PATH bin/larder build --top 60 --lock "$lock" "${targets[@]}" || rc=$?
((rc == 0 || rc == 8)) || exit "$rc"
bin/larder mount >/dev/null

# --- 2 and 3. install with and without -------------------------------------------------
# install.sh runs where the test runs: a fresh virtual environment, an unmodified pip.
cat >"$work/install.sh" <<'SH'
set -eu
python=$1 which=$2 out=$3; shift 3
unset PYTHONDONTWRITEBYTECODE
rm -rf "$out"; mkdir -p "$out"
"$python" -m venv "$out/venv"
pip="$out/venv/bin/python -m pip --disable-pip-version-check"
[ "$which" = shipped ] || $pip install -q -U pip
$pip --version | cut -d' ' -f2 >"$out/pip"
start=$("$python" -c 'import time; print(time.time())')
$pip install "$@" >"$out/log" 2>&1 || { tail -n 5 "$out/log" >&2; exit 1; }
"$python" -c "import time; print('%.1f' % (time.time() - $start))" >"$out/seconds"
# Of every wheel pip says "Using cached" or "Downloading"; the end-to-end tests count requests.
"$python" - "$out/log" >"$out/wheels" <<'PY'
import re, sys
cached, loaded, size = 0, 0, 0.0
for line in open(sys.argv[1]):
    m = re.match(r"\s*(Using cached|Downloading) (\S+\.whl)(?: \(([\d.]+) (\w+)\))?\s*$", line)
    if not m: continue
    if m[1] == "Using cached": cached += 1
    else:
        loaded += 1
        size += float(m[3] or 0) * {"kB": 1e3, "MB": 1e6, "GB": 1e9}.get(m[4], 1)
print(cached, loaded, int(size))
PY
SH

rows=$work/rows
row() { # NAME RESULT-DIR BESIDE-DIR UPPER-BYTES HOOK-MS
  read -r cached loaded bytes <"$2/wheels"
  printf '%s|%s|%s|%s|%s|%s|%s|%s\n' "$1" "$(cat "$2/pip")" "$((cached + loaded))" "$bytes" "$(cat "$2/seconds")" "$(cat "$3/seconds")" "$4" "$5" >>"$rows"
}
upper_bytes() { du -sB1 "$1" 2>/dev/null | cut -f1; }

kinds=(new)
shipped=$("$work/resolver/bin/python" -c 'import ensurepip; print(ensurepip.version())' 2>/dev/null || echo 99)
python3 -c "import sys; v=tuple(map(int,'$shipped'.split('.')[:2])); sys.exit(v >= (23, 3))" && kinds+=(shipped)

say "2. a fresh venv and an unmodified pip on this host, with and without larder run"
for kind in "${kinds[@]}"; do
  HOME=$work/plain-home bash "$work/install.sh" "$python" "$kind" "$work/plain-$kind" "${packages[@]}"
  mkdir -p "$work/home"
  HOME=$work/home bin/larder run --instance "$work/instance-$kind" -- bash "$work/install.sh" "$python" "$kind" "$work/run-$kind" "${packages[@]}"
  row "larder run" "$work/run-$kind" "$work/plain-$kind" "$(upper_bytes "$work/instance-$kind")" -
done

say "2. and the same packages as a mounted environment: nothing is installed at all"
start=$(now)
bin/larder run -r "$lock" -- python -c 'import flask, requests, numpy, pandas'
mkdir -p "$work/env"
since "$start" >"$work/env/seconds"
echo - >"$work/env/pip"; echo "$(wc -l <"$lock") 0 0" >"$work/env/wheels"
row "larder run -r LOCK, and import" "$work/env" "$work/plain-new" 0 -

# A runc container of the cached root, with or without the hook.
bundle() { # ID WITH-HOOK COMMAND
  local b=$work/bundles/$1
  mkdir -p "$b"/{upper,work,rootfs,out}
  mount -t overlay demo-root -o "lowerdir=$rootfs,upperdir=$b/upper,workdir=$b/work" "$b/rootfs"
  (cd "$b" && runc spec)
  python3 - "$b" "$2" "$3" "$PWD/bin/larder-hook" "$LARDER_STORE" "$work" <<'PY'
import json, os, sys
b, hook, command, binary, store, work = sys.argv[1:]
c = json.load(open(b + "/config.json"))
c["process"]["terminal"] = False
c["process"]["args"] = ["bash", "-c", command]
keep = [k for k in os.environ if k.startswith("PIP_") or k.lower().endswith("_proxy") or k.startswith(("SSL_", "REQUESTS_"))]
c["process"]["env"] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"] + [k + "=" + os.environ[k] for k in keep]
caps = json.loads('["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_SETUID","CAP_SETGID","CAP_KILL"]')
for k in ("bounding", "effective", "permitted"):
    c["process"]["capabilities"][k] = caps
c["root"]["readonly"] = False
c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] not in ("network", "cgroup")]
bind = lambda s, d, o: {"source": s, "destination": d, "type": "bind", "options": ["rbind", o]}
c["mounts"] += [bind("/etc/resolv.conf", "/etc/resolv.conf", "ro"), bind("/etc/hosts", "/etc/hosts", "ro"),
                bind(work + "/install.sh", "/install.sh", "ro"), bind(b + "/out", "/out", "rw")]
for key in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
    f = os.environ.get(key)
    if f and os.path.isfile(f):
        c["mounts"].append(bind(f, f, "ro"))
if hook == "yes":
    env = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    c["hooks"] = {
        "createRuntime": [{"path": binary, "args": ["larder-hook", "attach", "--required", "--store", store, "--log", work + "/hook.log"], "env": env, "timeout": 15}],
        "poststop": [{"path": binary, "args": ["larder-hook", "release", "--store", store], "env": env, "timeout": 10}],
    }
json.dump(c, open(b + "/config.json", "w"))
PY
}
unbundle() { umount "$work/bundles/$1/rootfs"; }

hook_ms() { # what the hook itself noted, attach only
  sed -nE 's/.*attach.* ms=([0-9.]+).*/\1/p' "$work/hook.log" 2>/dev/null | tail -n 1
}

if [ -n "$why_not" ]; then
  say "3 and 4 left out: $why_not"
else
  say "3. the same in a real runc container, larder-hook at createRuntime"
  for hook in no yes; do
    id=larder-demo-$hook-$$
    containers+=("$id")
    bundle "$id" "$hook" "bash /install.sh python3 new /out/r ${packages[*]} && touch /out/done && read -r _"
    mkfifo "$work/$id.in"
    (cd "$work/bundles/$id" && exec runc run "$id" <"$work/$id.in") &
    pid=$!
    exec 9>"$work/$id.in"
    until [ -e "$work/bundles/$id/out/done" ] || ! kill -0 $pid 2>/dev/null; do sleep 0.2; done
    [ -e "$work/bundles/$id/out/done" ] || { echo "demo: the container failed" >&2; exit 1; }
    if [ "$hook" = yes ]; then
      ms=$(hook_ms); upper=$(du -sB1 "$LARDER_STORE"/instances | cut -f1)
    fi
    echo >&9; exec 9>&-
    wait $pid
    unbundle "$id"
  done
  row "runc + larder-hook" "$work/bundles/larder-demo-yes-$$/out/r" "$work/bundles/larder-demo-no-$$/out/r" "$upper" "${ms:--}"

  say "4. two containers at once; one overwrites all it can see of the cache as root"
  sum='find /root/.cache/pip -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum'
  for id in larder-demo-a-$$ larder-demo-b-$$; do containers+=("$id"); done
  bundle larder-demo-a-$$ yes "until [ -e /out/go ]; do sleep 0.1; done
    find /root/.cache/pip -type f -exec sh -c 'echo poison >\"\$1\"' _ {} \; ; rm -rf /mnt/cacache/views 2>/dev/null; $sum >/out/sum; touch /out/done"
  bundle larder-demo-b-$$ yes "$sum >/out/before; touch /out/ready; until [ -e /out/go ]; do sleep 0.1; done; $sum >/out/after"
  for id in a b; do (cd "$work/bundles/larder-demo-$id-$$" && exec runc run "larder-demo-$id-$$" </dev/null) & eval "pid_$id=$!"; done
  until [ -e "$work/bundles/larder-demo-b-$$/out/ready" ]; do sleep 0.1; kill -0 "$pid_b"; done
  touch "$work/bundles/larder-demo-a-$$/out/go"
  wait "$pid_a"
  touch "$work/bundles/larder-demo-b-$$/out/go"
  wait "$pid_b"
  a=$(cut -c1-12 "$work/bundles/larder-demo-a-$$/out/sum")
  before=$(cut -c1-12 "$work/bundles/larder-demo-b-$$/out/before")
  after=$(cut -c1-12 "$work/bundles/larder-demo-b-$$/out/after")
  unbundle larder-demo-a-$$; unbundle larder-demo-b-$$
  echo "container A, after its overwriting, sees  $a"
  echo "container B saw before and sees after     $before $after"
  [ "$before" = "$after" ] && [ "$a" != "$before" ] || { echo "demo: ISOLATION BROKEN" >&2; exit 3; }
fi

say "every byte of the snapshot, hashed again"
bin/larder verify --full

say "result"
python3 - "$rows" <<'PY'
import sys
def size(b):
    b = float(b)
    for u in ("B", "kB", "MB", "GB"):
        if b < 1000 or u == "GB": return "%.0f %s" % (b, u)
        b /= 1000
head = ["where", "pip", "wheels used", "wheel bytes downloaded", "seconds", "without Larder", "bytes in the upper", "hook ms"]
rows = [head]
for line in open(sys.argv[1]):
    f = line.rstrip("\n").split("|")
    f[3] = size(f[3]) if f[3] != "0" else "0"
    f[6] = size(f[6] or 0)
    rows.append(f)
w = [max(len(r[i]) for r in rows) for i in range(len(head))]
for r in rows: print("  ".join(c.ljust(n) for c, n in zip(r, w)).rstrip())
PY
cat <<EOF

What to type next:
  export LARDER_STORE=$LARDER_STORE
  bin/larder ls                          what the snapshot holds
  bin/larder show numpy                  one project
  bin/larder run -- pip install numpy    any pip, its wheels already there
  make demo                              again: the second build reuses everything
EOF
