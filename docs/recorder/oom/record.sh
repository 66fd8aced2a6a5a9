#!/bin/bash
# Lets a kernel run out of memory under QEMU, and writes its report to standard output, without times.
# usage: record.sh KERNEL BUSYBOX CASE
# KERNEL is a bzImage such as Debian's vmlinuz, BUSYBOX a static one, CASE one of those in init.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernel=$1 busybox=$2 name=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root/bin"
cp "$busybox" "$work/root/bin/busybox"
install -m 755 "$here/init" "$work/root/init"
gcc -O1 -static -nostdlib -fno-stack-protector -o "$work/root/bin/bind" "$here/bind.c"
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz"
machine=(-m 256M)
case $name in
  cpuset | bind)
    machine=(-m 512M -smp 2)
    for node in 0 1; do
      machine+=(-object "memory-backend-ram,id=m$node,size=256M" -numa "node,memdev=m$node,nodeid=$node,cpus=$node")
    done
    ;;
esac
timeout 200 qemu-system-x86_64 -accel tcg "${machine[@]}" -nographic -no-reboot -kernel "$kernel" \
  -initrd "$work/initrd.gz" -append "console=ttyS0 panic=-1 oom=$name" </dev/null >"$work/log"
if [[ $name = memcg* ]]; then
  sed -n '/^BEGIN kmsg/,/^END/p' "$work/log" | tr -d '\r' | grep '^[0-9]*,'
else
  sed -n '/BEGIN oom/,/END oom/p' "$work/log" | sed '1d;$d' | tr -d '\r' | sed -n 's/^\[ *[0-9.]*\] //p'
fi
