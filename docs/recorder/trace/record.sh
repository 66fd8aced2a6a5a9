#!/bin/bash
# Boots a kernel under QEMU, and writes what it says of its tracepoints into a directory: available_events.txt,
# formats-SYSTEM.txt and lines.txt, as test/golden/trace has them (which leaves out events that pgdat has not, and keeps
# of the lines one or two of each event).
# usage: record.sh KERNEL MODULES BUSYBOX DIRECTORY
# KERNEL is a bzImage such as Debian's vmlinuz, MODULES its lib/modules/VERSION, BUSYBOX a static one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=$1 modules=$2 busybox=$3 out=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/bin" "$work/root/mod" "$out"
cp "$busybox" "$work/root/bin/busybox"
install -m 755 "$here/init" "$work/root/init"
cp "$modules"/kernel/drivers/virtio/virtio{,_ring,_pci,_pci_legacy_dev,_pci_modern_dev}.ko \
  "$modules/kernel/drivers/block/virtio_blk.ko" "$work/root/mod"
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz"
truncate -s 64M "$work/vda"
truncate -s 128M "$work/vdb"
machine=(-m 256M -smp 2 -drive "file=$work/vda,if=virtio,format=raw" -drive "file=$work/vdb,if=virtio,format=raw")
for node in 0 1; do
  machine+=(-object "memory-backend-ram,id=m$node,size=128M" -numa "node,memdev=m$node,nodeid=$node,cpus=$node")
done
timeout 500 qemu-system-x86_64 -accel tcg "${machine[@]}" -nographic -no-reboot -kernel "$kernel" \
  -initrd "$work/initrd.gz" -append "console=ttyS0 quiet panic=-1" </dev/null | tr -d '\r' >"$work/log"
section() { sed -n "\\|^.*BEGIN $1\$|,/^END/p" "$work/log" | sed '1d;$d'; }
section available_events >"$out/available_events.txt"
for system in oom vmscan kmem compaction migrate writeback; do
  # An empty line between two.
  grep -o "BEGIN events/$system/.*" "$work/log" | cut -d' ' -f2 | sort | while read -r event; do
    section "$event"
    echo
  done | sed '$d' >"$out/formats-$system.txt"
done
section lines | sed -E 's/^.* [0-9]+\.[0-9]+: //' >"$out/lines.txt"
