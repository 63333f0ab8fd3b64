#!/usr/bin/env bash
# Releases of this tree, into dist/: for each architecture (ARCHES: amd64 arm64) a tarball to unpack below a prefix, a
# deb and an rpm, and the checksums of all. `make dist`. The same commit gives the same bytes:
# every time in them is the commit's, and no path of this machine is in them.
set -euo pipefail
cd "$(dirname "$0")/.."

# The packager is run and pinned here. In go.mod it would bring a hundred modules into what the
# product is built and checked with, for a tool that no build of the product runs.
read -ra nfpm <<<"${NFPM:-go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0}"

out=${DIST:-dist}
described=$(git describe --tags --always --dirty 2>/dev/null || echo unknown)
case ${described#v} in
  [0-9]*.[0-9]*) version=${described#v} ;;
  *) version=0.1.0~git.$described ;; # no tag yet; sorts before 0.1.0
esac
version=${version//-/+} # a dash divides version and release
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export LC_ALL=C TZ=UTC
umask 022

work=$(mktemp -d "${TMPDIR:-/tmp}/larder-dist.XXXXXX")
trap 'rm -rf "$work"' EXIT
rm -rf "$out"
mkdir -p "$out"

# tree PREFIX INTO: what belongs below a prefix, and says where it is.
tree() {
  local prefix=$1 into=$2
  install -D -m 0755 "$work/$arch/larder" "$into/bin/larder"
  install -D -m 0755 "$work/$arch/larder-hook" "$into/libexec/larder/larder-hook"
  install -D -m 0755 "$work/$arch/larder-nri" "$into/libexec/larder/larder-nri"
  install -D -m 0755 "$work/$arch/larder-runc" "$into/libexec/larder/larder-runc"
  make -s docs DOCS="$work/docs" VERSION="$version" PREFIX="$prefix"
  local page
  for page in "$work"/docs/man/*/*; do
    install -d "$into/share/man/$(basename "$(dirname "$page")")"
    gzip -9 -n -c "$page" >"$into/share/man/$(basename "$(dirname "$page")")/$(basename "$page").gz"
  done
  install -D -m 0644 "$work/docs/completions/bash/larder" "$into/share/bash-completion/completions/larder"
  install -D -m 0644 "$work/docs/completions/zsh/_larder" "$into/share/zsh/vendor-completions/_larder"
  install -D -m 0644 "$work/docs/completions/fish/larder.fish" "$into/share/fish/vendor_completions.d/larder.fish"
  local unit
  for unit in "$work"/docs/units/*; do install -D -m 0644 "$unit" "$into/lib/systemd/system/$(basename "$unit")"; done
  local definition
  for definition in larder-attach.json larder-release.json larder-cdi.json; do
    install -d "$into/share/larder"
    sed "s|/usr/local/libexec|$prefix/libexec|" "scripts/$definition" >"$into/share/larder/$definition"
  done
  install -D -m 0644 -t "$into/share/doc/larder" LICENSE README.md CHANGELOG.md
}

# pack NAME: a directory of $work as a tarball.
pack() {
  tar -C "$work" --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -cf - "$1" |
    gzip -9 -n >"$out/$1.tar.gz"
}

for arch in ${ARCHES:-amd64 arm64}; do
  mkdir -p "$work/$arch"
  GOARCH=$arch make -s build BIN="$work/$arch" VERSION="$version"
  name=larder-$version-linux-$arch
  tree /usr/local "$work/$name"
  pack "$name"
  tree /usr "$work/root"
  export ARCH=$arch VERSION=$version ROOT=$work/root
  for kind in deb rpm; do
    "${nfpm[@]}" package --config scripts/nfpm.yaml --packager $kind --target "$out/" >"$work/said" || { cat "$work/said" >&2; exit 1; }
  done
  rm -rf "$work/root"
done
(cd "$out" && sha256sum -- *.tar.gz *.deb *.rpm >SHA256SUMS)
ls -l "$out"
