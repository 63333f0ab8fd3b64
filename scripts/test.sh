#!/usr/bin/env bash
# Runs the named tiers of tests and counts them. A tier that runs nothing, or skips
# anything, has failed: a test that did not run has shown nothing.
#
#   pure    no root, no network, race detector; without it the inputs that are bombs
#   store   stores on disk: faults and bad input
#   script  the command line, end to end, as text archives
#   mount   real EROFS and overlay mounts (root)
#   fuzz    every fuzz target, a fixed number of executions each
#   e2e     real pip, real packages, a real runtime (root, the package indexes)
#   constructions
#           the mounts as older kernels make them, on this one (root)
#   kernels older kernels themselves, in qemu's emulation: KERNELS="6.1 6.12" names them
#   torture kills, power cuts and failing calls: a fixed sample (root); make soak plays more
#
# Tiers behind the word "beside" run beside the last one before it, with a /run of their own: that one mostly
# waits, for an index and for what runs one by one.
set -uo pipefail
cd "$(dirname "$0")/.."

tags=urfave_cli_no_docs
stores='^larder/(snapshot|snapshot/image|snapshot/check|snapshot/gc|builder|builder/pypi|builder/npm|builder/maven)$'
status=0

packages() { go list -tags "$tags" ./... ; }

# tier NAME GO-TEST-ARGUMENTS...: one tier, its output kept short, its tests counted.
tier() {
  local name=$1; shift
  local log; log=$(mktemp)
  local started=$SECONDS
  go test -tags "$tags" -v -count=1 "$@" >"$log" 2>&1
  local rc=$?
  local passed failed skipped
  passed=$(grep -cE '^ *--- PASS' "$log")
  failed=$(grep -cE '^ *--- FAIL' "$log")
  skipped=$(grep -cE '^ *--- SKIP' "$log")
  if ((rc != 0 || failed > 0 || skipped > 0 || passed == 0)); then
    status=1
    local said; said=$(grep -vE '^ *(=== (RUN|PAUSE|CONT|NAME)|--- PASS|PASS$|ok )' "$log")
    # What failed, wherever in the output it is; else its end, which says why nothing ran.
    { grep -B 40 -E -- '--- (FAIL|SKIP)|FAIL: testdata|^panic:|\[build failed\]' <<<"$said" || echo "$said"; } | tail -n 200
  fi
  printf '%s: %d passed, %d failed, %d skipped (%d s)\n' "$name" "$passed" "$failed" "$skipped" $((SECONDS - started))
  total_passed=$((${total_passed:-0} + passed))
  total_failed=$((${total_failed:-0} + failed + (rc != 0 && failed == 0)))
  total_skipped=$((${total_skipped:-0} + skipped))
  rm -f "$log"
}

# fuzz: each target by itself, as go test wants it.
fuzz() {
  local started=$SECONDS passed=0 failed=0 log; log=$(mktemp)
  for package in $(go list -tags "$tags" -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...); do
    for target in $(go test -tags "$tags" -list '^Fuzz' "$package" | grep '^Fuzz'); do
      if go test -tags "$tags" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-3000x}" "$package" >"$log" 2>&1; then
        passed=$((passed + 1))
      else
        failed=$((failed + 1)) status=1
        echo "$package $target"; tail -n 40 "$log"
      fi
    done
  done
  ((passed > 0)) || status=1
  printf 'fuzz: %d passed, %d failed, 0 skipped (%d s)\n' "$passed" "$failed" $((SECONDS - started))
  total_passed=$((${total_passed:-0} + passed)) total_failed=$((${total_failed:-0} + failed))
  rm -f "$log"
}

# constructions: the tests that matter to how mounts are made, for each way that this kernel would
# not choose. The two ways by name differ in the tree only.
constructions() {
  local by='-X larder/overlay.Only='
  tier data-only -ldflags "${by}data-only" -run '^TestMount' ./overlay ./overlay/keep ./overlay/oci
  tier ordinary -ldflags "${by}ordinary" -run '^TestMount' ./overlay/...
  tier ordinary-hook -ldflags "${by}ordinary" -run '^TestMount(Commands|ReleaseLeaves|Hook(BadSnapshot|Depth|HidesOtherVersions|KeepsWhatWasThere|MakesEnvironment|SeveralTargets|ViewOfTheUser)?$)' ./cmd/larder-hook
  # Named one by one, so in a mount namespace from the start: inside, all would run.
  LARDER_TEST_INSIDE=TestMountScript tier ordinary-command -exec 'unshare -m --propagation private' -ldflags "${by}ordinary" -run '^TestMountScript$/^(run_(instance|lock|private|user|views)|use_kept|gc_keeps_used)$' ./cmd/larder
  LARDER_E2E=1 tier ordinary-runc -ldflags "${by}ordinary" -run '^TestE2ERunc(Environment)?$' ./cmd/larder-hook
}

# kernels: what the booted kernels say of their tests.
kernels() {
  local log started=$SECONDS passed failed
  log=$(mktemp)
  # shellcheck disable=SC2086
  scripts/kernels/run.sh ${KERNELS:-6.1 6.12} >"$log" 2>&1
  local rc=$?
  passed=$(grep -cE '^ *--- PASS' "$log")
  failed=$(grep -cE '^ *--- (FAIL|SKIP)' "$log")
  if ((rc != 0 || failed > 0 || passed == 0)); then
    status=1
    tail -n 200 "$log"
  fi
  grep '^=== KERNEL' "$log" | sed 's/^=== /kernels: /'
  printf 'kernels: %d passed, %d failed, 0 skipped (%d s)\n' "$passed" "$failed" $((SECONDS - started))
  total_passed=$((${total_passed:-0} + passed)) total_failed=$((${total_failed:-0} + failed + (rc != 0 && failed == 0)))
  rm -f "$log"
}

# beside TIER...: this script for other tiers, in the background.
beside() {
  aside=$(mktemp)
  unshare -m sh -c 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$@"' sh scripts/test.sh "$@" >"$aside" 2>&1 &
  beside=$!
}

# joined waits for those, says what they said, and counts their tests as its own.
joined() {
  wait "$beside" || status=1
  local counts; counts=$(tail -n 1 "$aside")
  head -n -1 "$aside"
  if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    total_passed=$((${total_passed:-0} + BASH_REMATCH[1]))
    total_failed=$((${total_failed:-0} + BASH_REMATCH[2]))
    total_skipped=$((${total_skipped:-0} + BASH_REMATCH[3]))
  else
    echo "beside: ended early: $counts"
    status=1
  fi
  rm -f "$aside"
}

tiers=() others=()
while (($#)); do
  [ "$1" = beside ] && { shift; others=("$@"); break; }
  tiers+=("$1"); shift
done

for at in "${!tiers[@]}"; do
  name=${tiers[at]}
  ((${#others[@]} && at == ${#tiers[@]} - 1)) && beside "${others[@]}"
  case $name in
    fuzz)   fuzz ;;
    pure)
      CGO_ENABLED=1 tier pure -race -skip '^Test(Mount|E2E|Script|Torture|Bounds)' $(packages | grep -vE "$stores")
      # Large inputs in one goroutine: the detector would find nothing, and take minutes.
      tier bounds -run '^TestBounds' ./builder/... ;;
    store)  tier store -skip '^Test(Mount|E2E|Script)' $(packages | grep -E "$stores") ;;
    script) tier script -run '^TestScript' ./cmd/... ;;
    mount)  tier mount -run '^TestMount' ./... ;;
    constructions) constructions ;;
    kernels) kernels ;;
    torture) tier torture -timeout 40m -run '^TestTorture' ./scripts/torture ;;
    e2e)    LARDER_E2E=1 tier e2e -timeout 40m -p 1 -run '^TestE2E' ./... ;;
    *) echo "test.sh: no tier $name (pure, store, script, mount, constructions, kernels, fuzz, e2e, torture)" >&2; exit 2 ;;
  esac
done
((${#others[@]})) && joined
echo "${total_passed:-0} passed, ${total_failed:-0} failed, ${total_skipped:-0} skipped"
exit $status
