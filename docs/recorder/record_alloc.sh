#!/bin/bash
# Boots the recording kernel on one machine, has its allocator work, and writes NAME.json.gz and the boot case NAME.json.
# usage: record_alloc.sh WORKDIR NAME 'KERNEL PARAMETERS' SEED,OPS,PERIOD,LETTERS QEMU-OPTION...   (letters: oalloc.c)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$1 name=$2 parameters=$3 run=$4
shift 4
timeout 500 qemu-system-x86_64 -nographic -no-reboot -kernel "$work/bzImage" -initrd "$work/initrd.gz" -append \
  "console=ttyS0 quiet memblock=debug mminit_loglevel=4 log_buf_len=16M oearly oalloc=$run $parameters" "$@" >"$work/$name.log"
python3 "$here/boot_case.py" "$name" "$work/$name.log" "$parameters" "$@" >"$work/$name.json"
python3 "$here/alloc_case.py" "$name" "$work/$name.log" "$run" >"$work/$name.json.gz"
