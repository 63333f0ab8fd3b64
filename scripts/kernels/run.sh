#!/usr/bin/env bash
# Boots kernels that people run, in qemu's emulation, and runs the tests that mount on each. What it
# prints of a kernel are its tests' results, one a line, as go test -v does.
#
#   scripts/kernels/run.sh VERSION...     such as 6.1 6.12: the newest of the distribution's packages
#
# Packages are kept in LARDER_KERNELS (~/.cache/larder-test/kernels). Needs apt, qemu-system-x86_64,
# mkfs.ext4, mkfs.xfs, xz, busybox and runc; not root.
set -euo pipefail
cd "$(dirname "$0")/../.."

cache=${LARDER_KERNELS:-$HOME/.cache/larder-test/kernels}
patience=${LARDER_KERNELS_PATIENCE:-900} # seconds a kernel may take; one alone needs some 90
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$cache"

# What the tests start, beside the shell's own. The libraries they name are found by ldd.
programs=(bash sh cat chmod chown cp cut dd df env false find findmnt flock getent grep head id kill ldd ln ls mkdir mkfifo mknod mktemp mount mountpoint
  mv nsenter printf ps readlink rm rmdir sed setpriv sh sha256sum sleep sort stat sync tail test timeout touch tr true truncate umount uname unshare wc xargs busybox runc mkfs.ext4 mkfs.xfs)

# kernel VERSION prints the directory of an unpacked kernel: the newest that apt knows, which it gets
# where it is not there, else the newest that is.
kernel() {
  local version="${1//./\\.}\\." name
  name=$(apt-cache pkgnames linux-image- | grep -E "^linux-image-(unsigned-)?$version.*-(cloud-amd64|generic)\$" | sort -V | tail -n 1 || true)
  if [ -z "$name" ] || ! get "$name"; then
    name=$(find "$cache" -maxdepth 1 -name 'linux-image-*' ! -name '*.new' -printf '%f\n' | grep -E -- "-$version" | sort -V | tail -n 1 || true)
  fi
  [ -n "$name" ] || { echo "kernels: apt has no kernel $1: apt-get update, or let APT_CONFIG name a release that has it" >&2; return 1; }
  echo "$cache/$name"
}

# get PACKAGE unpacks a kernel, and its modules where they are packages of their own.
get() {
  local dir=$cache/$1 release=${1#linux-image-} modules one
  [ ! -d "$dir" ] || return 0
  modules=$(apt-cache pkgnames linux-modules- | grep -xE "linux-modules-(extra-)?${release#unsigned-}" || true)
  rm -rf "$dir.new" && mkdir "$dir.new" || return 1
  # shellcheck disable=SC2086
  (cd "$dir.new" && apt-get download -qq "$1" $modules >&2 && for one in ./*.deb; do dpkg -x "$one" . && rm "$one" || exit 1; done) || return 1
  mv "$dir.new" "$dir"
}

# program ROOT NAME: a program of this host, with its libraries.
program() {
  local path; path=$(type -P "$2") || { echo "kernels: no $2 here" >&2; return 1; }
  local file; for file in "$path" $(ldd "$path" 2>/dev/null | grep -o '/[^ ]*' || true); do
    mkdir -p "$1$(dirname "$file")"
    cp -Ln "$file" "$1$file"
  done
}

# module INIT MODULES NAME: a module of the kernel's, into the initramfs, after those that it depends on.
module() {
  local file depends one
  file=$(find "$2" -name "$3.ko" -o -name "$3.ko.xz" -o -name "$3.ko.zst" | head -n 1)
  [ -n "$file" ] || return 0 # built in
  [ -z "$(find "$1/modules" -name "*-$3.ko")" ] || return 0
  depends=$(unpacked "$file" | tr '\0' '\n' | sed -n 's/^depends=//p' | tr , ' ')
  for one in $depends; do module "$1" "$2" "$one"; done
  unpacked "$file" >"$1/modules/$(printf %02d "$(find "$1/modules" -type f | wc -l)")-$3.ko"
}

unpacked() { case $1 in *.xz) xz -dc "$1" ;; *.zst) zstd -qdc "$1" ;; *) cat "$1" ;; esac; }

# initramfs DIR MODULES: what finds the disk and starts what is on it, as DIR/initrd.
initramfs() {
  mkdir -p "$1/init"/{usr/bin,usr/lib,usr/lib64,dev,proc,sys,modules,disk}
  ln -s usr/bin usr/lib usr/lib64 "$1/init/"
  local m; for m in crc32c_generic crc32c virtio_pci virtio_blk loop erofs overlay quota_v2 xfs; do module "$1/init" "$2" "$m"; done
  program "$1/init" busybox
  cp scripts/kernels/init "$1/init/init" && chmod 755 "$1/init/init"
  (cd "$1/init" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$1/initrd"
}

# disk makes the file system that the tests run on, once for all kernels.
disk() {
  local root=$work/root d one
  mkdir -p "$root"/{usr/bin,usr/sbin,usr/lib,usr/lib64,proc,sys,dev,run,tmp,root,etc,tests,mnt}
  for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
  chmod 1777 "$root/tmp"
  for one in "${programs[@]}"; do program "$root" "$one"; done
  printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  cp scripts/kernels/guest scripts/kernels/tests "$root/tests/"
  make -s build BIN="$root/tests/bin"
  local package
  for package in $(sed '/^#/d' scripts/kernels/tests | cut -d ' ' -f 1 | sort -u); do
    CGO_ENABLED=0 go test -tags urfave_cli_no_docs -ldflags '-s -w' -c -o "$root/tests/${package//\//_}" "./$package"
    mkdir -p "$root/tests/src/$package"
    [ ! -d "$package/testdata" ] || cp -r "$package/testdata" "$root/tests/src/$package/"
  done
  truncate -s 2G "$work/disk"
  mkfs.ext4 -q -F -E lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0 -d "$root" "$work/disk"
}

# boot VERSION KERNEL prints what the guest says of its tests. Its processors take turns on one of ours: where
# each has a thread of its own, one runs what the other has just replaced in the kernel's own code, and
# the kernel ends ("Oops: int3").
boot() {
  local dir=$work/$1
  mkdir "$dir"
  initramfs "$dir" "$2/lib/modules"
  cp --sparse=always "$work/disk" "$dir/disk"
  timeout "$patience" qemu-system-x86_64 -accel tcg,thread=single -cpu max -smp 2 -m 1536 -nodefaults -no-reboot -display none -serial stdio \
    -kernel "$2"/boot/vmlinuz-* -initrd "$dir/initrd" -append "console=ttyS0 quiet panic=-1 loglevel=${LARDER_KERNELS_LOG:-1}" \
    -drive "file=$dir/disk,if=virtio,format=raw,cache=unsafe" </dev/null | sed -u 's/\r//' | tee "$dir/said" || true
  rm -f "$dir/disk"
  grep -q '^=== END' "$dir/said" || { echo "--- FAIL: kernel $1 did not come to the end of its tests"; return 1; }
  ! grep -q -- '^ *--- FAIL' "$dir/said"
}

# boots VERSION...: as many at a time as there are processors. What each says is printed by itself.
boots() {
  local version found status=0
  for version in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
    found=$(kernel "$version") || { status=1; continue; }
    (boot "$version" "$found" >"$work/$version.out" 2>&1; echo $? >"$work/$version.rc") &
  done
  wait
  for version in "$@"; do
    [ ! -e "$work/$version.out" ] || cat "$work/$version.out"
    [ "$(cat "$work/$version.rc" 2>/dev/null)" = 0 ] || status=1
  done
  return $status
}

{ # read whole before it runs, so that the file may change meanwhile
  disk
  boots "$@"
  exit
}
