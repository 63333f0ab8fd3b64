#!/bin/sh
# Before the files of a deb or rpm go: timers and the boot unit are switched off and kept mounts let go of. The
# store stays. An upgrade keeps both: the new files take over.
case $1 in
  remove | 0) ;;
  *) exit 0 ;;
esac
if [ -d /run/systemd/system ]; then
  systemctl disable --now larder-build.timer larder-gc.timer larder-mount.service larder-nri.service >/dev/null 2>&1
fi
if [ -d /run/larder ]; then
  larder unmount --all >/dev/null 2>&1
fi
exit 0
