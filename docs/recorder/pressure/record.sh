#!/bin/bash
# Puts a kernel under QEMU under memory pressure, and writes its counters to standard output, as test/golden/pressure has them.
# usage: record.sh KERNEL MODULES BUSYBOX CASE
# KERNEL is a bzImage such as Debian's vmlinuz, MODULES its lib/modules/VERSION, BUSYBOX a static one, CASE one of init's.
# PACED=1: the CPU does one instruction a nanosecond, whatever else the host has to do.
# bursts needs a module of its own: apt-get install linux-headers-VERSION
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=$1 modules=$2 busybox=$3 name=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/bin" "$work/root/mod"
cp "$busybox" "$work/root/bin/busybox"
install -m 755 "$here/init" "$work/root/init"
gcc -O1 -static -o "$work/root/bin/press" "$here/press.c"
strip "$work/root/bin/press"
cp "$modules"/kernel/drivers/virtio/virtio{,_ring,_pci,_pci_legacy_dev,_pci_modern_dev}.ko \
  "$modules/kernel/drivers/block/virtio_blk.ko" "$work/root/mod"
if [[ $name = bursts ]]; then
  cp -r "$here/burst" "$work/burst"
  make -s -C "/usr/src/linux-headers-$(basename "$modules")" M="$work/burst" modules >&2
  cp "$work/burst/burst.ko" "$work/root/mod"
fi
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz"
machine=(-m 512M) swap=512M rotating=0
case $name in
  fill-rotating) rotating=1 ;;
  fill-small) swap=64M ;;
  fill-none | group-none | holes | index | huge) swap='' ;;
  node)
    machine+=(-smp 2)
    for node in 0 1; do
      machine+=(-object "memory-backend-ram,id=m$node,size=256M" -numa "node,memdev=m$node,nodeid=$node,cpus=$node")
    done
    ;;
esac
if [[ -n ${PACED:-} ]]; then
  machine+=(-icount shift=0)
fi
if [[ -n $swap ]]; then
  truncate -s "$swap" "$work/vda"
  truncate -s 1G "$work/vdb"
  machine+=(-drive "file=$work/vda,if=virtio,format=raw,cache=unsafe" -drive "file=$work/vdb,if=virtio,format=raw")
fi
timeout 300 qemu-system-x86_64 -accel tcg "${machine[@]}" -nographic -no-reboot -kernel "$kernel" -initrd "$work/initrd.gz" \
  -append "console=ttyS0 quiet panic=-1 no_timer_check nokaslr case=$name rotating=$rotating" </dev/null | tr -d '\r' >"$work/log"
grep -q '^BEGIN log' "$work/log" || { cat "$work/log" >&2; exit 1; }
sed -n '/^BEGIN/,/^END/p' "$work/log" | sed -E 's/^\[ *[0-9.]+\] //'
