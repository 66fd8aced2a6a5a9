#!/usr/bin/env python3
"""Turns the serial log of a recording into a boot case on standard output.
usage: boot_case.py NAME LOG 'KERNEL PARAMETERS' QEMU-OPTION..."""
import json, os, re, sys

NO_NODE = 64  # MAX_NUMNODES of the recording kernel: memblock's word for "no node yet"

# What boot prints of memory. Left out: what depends on the image, and on when something was allocated.
DMESG = re.compile(r'''e820:\ (update|remove|user) | last_pfn | SRAT:\  | SLIT\ table | ACPI:\ S[RL][AI]T(:|\ table)
    | NUMA | No\ NUMA | Faking | Initializing\ node | node\ \d+\  | Warning:\ node | Zone\ ranges
    | \ \ (DMA|DMA32|Normal|Movable|Device)\  | Movable\ zone\ start | \ \ Node\ \d+:\  | Early\ memory\ node
    | \ \ node\ +\d | Initmem\ setup | On\ node | Fallback\ order | Built\ \d+\ zonelists | Policy\ zone
    | user-defined\ physical | user:\ \[mem | Too\ many | Unexpected''', re.X)

name, log, cmdline, *qemu = sys.argv[1:]
lines = open(log, encoding='latin1').read().replace('\r', '').split('\n')


def section(title):
    found, inside = [], False
    for line in lines:
        if line.endswith('=====BEGIN ' + title):
            inside = True
        elif inside and line.startswith('=====END'):
            break
        elif inside:
            found.append(line)
    return found


dmesg = [re.sub(r'^\[ *\d+\.\d+\] ?', '', line) for line in section('dmesg')]
zones, lists, blocks = [], {}, {}
regions = {'memory': [], 'reserved': []}
for words in (line.split()[1:] for line in dmesg if line.startswith('OEARLY ')):
    kind, rest = words[0], words[1:]
    if kind in regions:
        nid = int(rest[3])
        regions[kind].append({'base': '0x' + rest[0], 'size': '0x' + rest[1],
                              'nid': None if nid == NO_NODE else nid, 'flags': int(rest[5], 16)})
        continue
    place = (int(rest[0]), rest[1])
    if kind == 'zone':
        names = ('start_pfn', 'spanned', 'present', 'managed', 'free')
        zones.append({'node': place[0], 'zone': place[1], **dict(zip(names, map(int, rest[2:])))})
    elif kind == 'free':
        lists.setdefault(place, {}).setdefault(rest[2], []).extend(int(pfn, 16) for pfn in rest[3:])
    elif kind == 'blocks':
        blocks[place] = ' '.join(rest[2:])
for zone in zones:
    place = (zone['node'], zone['zone'])
    if place in blocks:
        zone.update(free_lists=lists.get(place, {}), blocks=blocks[place])


def zoneinfo():
    found = []
    for line in section('zoneinfo'):
        if m := re.match(r'Node (\d+), zone +(\w+)', line):
            found.append({'node': int(m[1]), 'zone': m[2], 'pcp': []})
            in_pagesets = False
        elif not found:
            continue
        elif line.strip() == 'pagesets':
            in_pagesets = True
        elif m := re.match(r' +cpu: (\d+)', line):
            found[-1]['pcp'].append({'cpu': int(m[1])})
        elif in_pagesets and (m := re.match(r' +(high|batch): +(\d+)', line)):
            found[-1]['pcp'][-1][m[1]] = int(m[2])
        elif m := re.match(r' +vm stats threshold: (\d+)', line):
            found[-1]['pcp'][-1]['stat_threshold'] = int(m[1])
        elif m := re.match(r' +protection: \((.*)\)', line):
            found[-1]['protection'] = [int(pages) for pages in m[1].split(',')]
        elif m := re.match(r' +(min|low|high|boost|spanned|present|managed|cma|start_pfn):? +(\d+)$', line):
            found[-1][m[1]] = int(m[2])
    return found


tables = {title: ''.join(section(title)) for title in ('SRAT', 'SLIT', 'APIC')}
case = {
    'name': name,
    'kernel': next(' '.join(line.split()[::2][:2]) for line in dmesg if line.startswith('Linux version')),
    'cmdline': cmdline, 'qemu': ' '.join(qemu), 'cpus': int(re.match(r'\d+', qemu[qemu.index('-smp') + 1])[0]),
    'e820': [{'start': m[1], 'end': m[2], 'type': m[3]} for line in dmesg
             if (m := re.match(r'BIOS-e820: \[mem (0x[0-9a-f]+)-(0x[0-9a-f]+)\] (.*)', line))],
    'acpi': {title: text for title, text in tables.items() if text},
    'memblock_reserved_at_free': regions['reserved'],
    'expect': {
        'dmesg': [line for line in dmesg if DMESG.match(line)],
        'memblock_memory': regions['memory'],
        'after_memblock_free_all': zones,
        'zonelists': [line.split('mminit::zonelist ')[1].strip() for line in dmesg if 'mminit::zonelist ' in line],
        'zoneinfo_after_boot': zoneinfo(),
    },
}
if 'FIRMWARE' in os.environ:
    replaced = json.load(open(os.environ['FIRMWARE']))
    case['acpi_overridden'] = ['SRAT'] + (['SLIT'] if replaced.get('slit') else [])
json.dump(case, sys.stdout, indent=1)
print()
