#!/usr/bin/env python3
"""Writes an initrd with which Linux takes our SRAT and SLIT for the machine's (CONFIG_ACPI_TABLE_UPGRADE).
usage: firmware_tables.py INITRD TABLES.json >NEW_INITRD
TABLES.json: {"cpus": [[pxm, apic id], ...], "mem": [[pxm, base, length, flags], ...], "x2apic": false, "slit": [[...], ...]}
"x2apic" and "slit" may be left out; flags: 1 enabled, 2 hotpluggable, 4 non-volatile; numbers may be text, as "0x...".
A new table must not be older than the one that it replaces: the revision is 3, the OEM revision 2."""
import json, os, struct, subprocess, sys, tempfile


def number(value):
    return int(value, 0) if isinstance(value, str) else value


def table(signature, revision, body):
    maker = b'BOCHS ' + b'BXPC    ' + struct.pack('<I', 2) + b'BXPC' + struct.pack('<I', 1)
    data = signature + struct.pack('<IBB', 36 + len(body), revision, 0) + maker + body
    return data[:9] + bytes([-sum(data) & 0xff]) + data[10:]


def srat(spec):
    body = struct.pack('<IQ', 1, 0)
    for pxm, apic in spec['cpus']:
        if spec.get('x2apic'):
            body += struct.pack('<BBHIIIII', 2, 24, 0, pxm, apic, 1, 0, 0)
        else:
            body += struct.pack('<BBBBIB3sI', 0, 16, pxm & 0xff, apic, 1, 0, pxm.to_bytes(4, 'little')[1:], 0)
    for pxm, base, length, flags in spec['mem']:
        body += struct.pack('<BBIHQQIIQ', 1, 40, pxm, 0, number(base), number(length), 0, flags, 0)
    return table(b'SRAT', 3, body)


def slit(rows):
    return table(b'SLIT', 1, struct.pack('<Q', len(rows)) + bytes(value for row in rows for value in row))


initrd, spec = sys.argv[1], json.load(open(sys.argv[2]))
with tempfile.TemporaryDirectory() as root:
    folder = os.path.join(root, 'kernel/firmware/acpi')
    os.makedirs(folder)
    open(os.path.join(folder, 'SRAT.aml'), 'wb').write(srat(spec))
    if spec.get('slit'):
        open(os.path.join(folder, 'SLIT.aml'), 'wb').write(slit(spec['slit']))
    # Uncompressed and first, where the kernel looks for it before it can unpack anything.
    archive = subprocess.run('find kernel | cpio -o -H newc --quiet', shell=True, cwd=root, check=True, capture_output=True)
sys.stdout.buffer.write(archive.stdout + open(initrd, 'rb').read())
