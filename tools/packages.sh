#!/usr/bin/env bash
# Installs the Debian packages that building and testing need, where they are missing: nasm assembles the firmware,
# acpica-tools (iasl) checks the ACPI tables in the tests. Says what to do where it may not install them itself.
# usage: packages.sh PROGRAM=PACKAGE ...
set -u
missing=()
for pair in "$@"; do command -v "${pair%%=*}" >/dev/null 2>&1 || missing+=("${pair#*=}"); done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null 2>&1; then as_root=(sudo); else as_root=(false); fi
fi
if command -v apt-get >/dev/null 2>&1 && [ "${as_root[*]:-}" != false ]; then
  echo "pgdat: installing ${missing[*]} with apt-get"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"' sh "${missing[@]}" >/dev/null && exit 0
fi
echo "pgdat: please install: ${missing[*]}  (Debian, Ubuntu: apt install ${missing[*]}; Fedora: dnf install nasm acpica-tools; macOS: brew install nasm acpica)" >&2
exit 1
