#!/usr/bin/env bash
# node_modules of a real project from its lock, without npm ci, and an unmodified npm
# that fetches no tarball, in a scratch store: `make demo-npm`. Needs root, Go, Node.js
# and npm, and the registry that npm is configured for.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" != 0 ]; then
  echo "demo-npm: mounts need root; run it as: sudo make demo-npm" >&2
  exit 1
fi
for tool in go node npm python3; do
  command -v $tool >/dev/null || { echo "demo-npm: $tool is not on PATH; install it and run make demo-npm again" >&2; exit 1; }
done

larder=$PWD/bin/larder
work=$(mktemp -d "${TMPDIR:-/var/tmp}/larder-demo-npm.XXXXXX")
app=$work/app
export LARDER_STORE=$work/store
cleanup() {
  bin/larder unmount --all >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
say() { printf '\n== %s\n' "$*"; }

say "build the binaries"
make -s build

# The user's own registry, and nothing else of the user's: cache and home are scratch.
npm_config_userconfig=$(npm config get userconfig 2>/dev/null)
export npm_config_userconfig npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
export npm_config_omit_lockfile_registry_resolved=false npm_config_loglevel=http NO_UPDATE_NOTIFIER=1 CI=1
export NO_COLOR=1
unset NODE_ENV npm_config_cache NPM_CONFIG_CACHE npm_config_omit npm_config_ignore_scripts npm_config_offline npm_config_prefer_offline
npm_in() { # CACHE ARGS...
  local cache=$1; shift
  npm "$@" --cache "$cache"
}

# Runs a command in a project; the seconds go to NAME.s, what it says to NAME.log.
measure() { # NAME PROJECT COMMAND...
  local name=$1 project=$2 start; shift 2
  start=$(date +%s.%N)
  (cd "$project" && "$@") >"$work/$name.log" 2>&1 || { tail -n 15 "$work/$name.log" >&2; echo "demo-npm: $name failed: $*" >&2; exit 1; }
  python3 -c "import time; print('%.2f' % (time.time() - $start))" >"$work/$name.s"
}
# The same below larder run, which reports what is left in the upper.
mounted() { # NAME OPTIONS... -- COMMAND...
  local name=$1; shift
  measure "$name" "$app" "$larder" run --required --report "$work/$name.json" "$@"
}
# Tarballs that npm's own log says were fetched.
fetched() { grep -E 'http (fetch|cache).*\.tgz' "$work/$1.log" | grep -vc '(cache hit)' || true; }
upper() { python3 -c "import json; print(json.load(open('$work/$1.json'))['upper_bytes'])"; }
rows=$work/rows
row() { printf '%s|%s|%s|%s|%s|%s\n' "$@" >>"$rows"; } # WHAT WITH AGAINST WITHOUT TARBALLS UPPER

# --- 1. a project -------------------------------------------------------------------
say "1. a project of vite, react and vitest; npm makes its lock"
mkdir -p "$app/src"
# Pinned: npm ci refuses a lock of packages that a registry does not have whole, which the newest often are not.
cat >"$app/package.json" <<'JSON'
{
  "name": "app", "version": "1.0.0", "private": true, "type": "module",
  "dependencies": {"react": "19.0.0", "react-dom": "19.0.0"},
  "devDependencies": {"@vitejs/plugin-react": "4.3.4", "vite": "6.0.11", "vitest": "3.0.5"},
  "overrides": {"rollup": "4.30.1"}
}
JSON
cat >"$app/vite.config.js" <<'JS'
import react from '@vitejs/plugin-react'
export default { plugins: [react()] }
JS
echo '<!doctype html><div id="root"></div><script type="module" src="/src/main.jsx"></script>' >"$app/index.html"
cat >"$app/src/main.jsx" <<'JS'
import { createRoot } from 'react-dom/client'
import { Hello } from './hello.jsx'
createRoot(document.getElementById('root')).render(<Hello name="larder" />)
JS
echo 'export const Hello = ({ name }) => <h1>hello, {name}</h1>' >"$app/src/hello.jsx"
cat >"$app/src/hello.test.jsx" <<'JS'
import { expect, test } from 'vitest'
import { renderToString } from 'react-dom/server'
import { Hello } from './hello.jsx'
test('it greets', () => expect(renderToString(<Hello name="larder" />)).toContain('larder'))
JS
measure lock "$app" npm_in "$work/lock-cache" install --package-lock-only
plain=$work/plain
cp -r "$app" "$plain"

# --- 2. with npm alone, and the build -------------------------------------------------
say "2. npm ci, from an empty cache and again from its own; then larder build"
measure cold "$plain" npm_in "$work/cache" ci --ignore-scripts
measure warm "$plain" npm_in "$work/cache" ci --ignore-scripts
measure build "$app" "$larder" build --lock package-lock.json
tail -n 3 "$work/build.log"
bin/larder mount >/dev/null
row "larder build --lock, empty store" "$(cat "$work/build.s")" "npm ci, empty cache" "$(cat "$work/cold.s")" "$(fetched cold) by npm ci" -

# --- 3. node_modules mounted ------------------------------------------------------------
say "3. node_modules as a mount: ready, a build, the tests"
mounted ready -r package-lock.json -- true
row "node_modules ready: larder run -r LOCK -- true" "$(cat "$work/ready.s")" "npm ci, warm cache" "$(cat "$work/warm.s")" - "$(upper ready)"
for what in "vite build" "vitest run"; do
  name=${what%% *}
  measure "plain-$name" "$plain" node_modules/.bin/$what
  mounted "$name" -r package-lock.json -- node_modules/.bin/$what
  row "$what, mounted" "$(cat "$work/$name.s")" "in npm's node_modules" "$(cat "$work/plain-$name.s")" - "$(upper "$name")"
done
grep -h 'built in' "$work/vite.log"; grep -hE '^ *Tests ' "$work/vitest.log"
diff -r "$plain/dist" "$app/dist" || { echo "demo-npm: the two builds differ" >&2; exit 1; }
echo "the two builds are equal"
rm -rf "$plain/node_modules"
measure again "$plain" npm_in "$work/cache" ci --ignore-scripts
mounted compare -r package-lock.json -- diff -r --no-dereference "$plain/node_modules" node_modules
echo "the mount is what npm ci --ignore-scripts left: $(find "$plain/node_modules" ! -type d | wc -l) files and links compared, 0 differ"

# --- 4. npm itself ------------------------------------------------------------------------
say "4. an unmodified npm ci with the view npm, in a home that has no cache"
mkdir "$work/home"
HOME=$work/home npm_config_cache=$work/home/.npm mounted view -- npm ci --ignore-scripts
row "npm ci with the view npm" "$(cat "$work/view.s")" "npm ci, empty cache" "$(cat "$work/cold.s")" "$(fetched view)" "$(upper view)"
[ "$(fetched cold)" != 0 ] || { echo "demo-npm: npm's log names no tarball of an empty cache: nothing was counted" >&2; exit 1; }
[ "$(fetched view)" = 0 ] || { echo "demo-npm: npm fetched tarballs though the view has them" >&2; exit 1; }

say "every byte of the snapshot, hashed again"
bin/larder verify --full

say "result (node $(node -v), npm $(npm -v 2>/dev/null), once each, load $(cut -d' ' -f1 /proc/loadavg))"
python3 - "$rows" <<'PY'
import sys
def size(b):
    if not b.isdigit(): return b
    b = float(b)
    for u in ("B", "kB", "MB", "GB"):
        if b < 1000 or u == "GB": return "%.0f %s" % (b, u)
        b /= 1000
rows = [["what", "seconds", "against", "seconds", "tarballs fetched", "bytes in the upper"]]
for line in open(sys.argv[1]):
    f = line.rstrip("\n").split("|")
    f[5] = size(f[5])
    rows.append(f)
w = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
for r in rows: print("  ".join(c.ljust(n) for c, n in zip(r, w)).rstrip())
PY
cat <<'TEXT'

All of that was scratch, and is gone. In a project of yours:
  larder build --lock package-lock.json                       its packages, into the store
  larder run -r package-lock.json -- node app.js              node_modules is there
  larder run -- npm ci                                        or npm itself, with nothing to fetch
TEXT
