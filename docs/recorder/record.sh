#!/bin/bash
# Boots the recording kernel on one machine and writes the case to standard output.
# usage: record.sh WORKDIR NAME 'KERNEL PARAMETERS' QEMU-OPTION...
# FIRMWARE=tables.json puts an SRAT and a SLIT in place of QEMU's (firmware_tables.py says how they are written).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$1 name=$2 parameters=$3
shift 3
initrd=$work/initrd.gz
if [ -n "${FIRMWARE:-}" ]; then
  initrd=$work/$name.initrd
  python3 "$here/firmware_tables.py" "$work/initrd.gz" "$FIRMWARE" >"$initrd"
fi
timeout 500 qemu-system-x86_64 -nographic -no-reboot -kernel "$work/bzImage" -initrd "$initrd" -append \
  "console=ttyS0 quiet memblock=debug mminit_loglevel=4 log_buf_len=16M oearly $parameters" "$@" >"$work/$name.log"
python3 "$here/boot_case.py" "$name" "$work/$name.log" "$parameters" "$@"
