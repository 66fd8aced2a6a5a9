#!/usr/bin/env python3
"""Turns the serial log of a recording into an allocation case, gzipped, on standard output.
usage: alloc_case.py NAME LOG 'WHAT WAS RUN'"""
import gzip, json, re, sys

KINDS = ['GFP_KERNEL & ~__GFP_RECLAIM', 'GFP_HIGHUSER_MOVABLE & ~__GFP_RECLAIM',
         '(GFP_KERNEL|__GFP_RECLAIMABLE) & ~__GFP_RECLAIM', 'GFP_ATOMIC & ~__GFP_RECLAIM',
         '(GFP_KERNEL|__GFP_DMA32) & ~__GFP_RECLAIM', '(GFP_KERNEL|__GFP_MEMALLOC) & ~__GFP_RECLAIM',
         '(GFP_HIGHUSER_MOVABLE|__GFP_COMP) & ~__GFP_RECLAIM', 'GFP_KERNEL|__GFP_RETRY_MAYFAIL',
         'GFP_HIGHUSER_MOVABLE|__GFP_RETRY_MAYFAIL', 'GFP_ATOMIC', 'GFP_NOWAIT', 'GFP_USER|__GFP_NORETRY']

name, log, run = sys.argv[1:]
lines = open(log, encoding='latin1').read().replace('\r', '').split('\n')


def section(title):
    found, inside = [], False
    for line in lines:
        if line.endswith('=====BEGIN ' + title):
            inside = True
        elif inside and line.startswith('=====END'):
            return found
        elif inside:
            found.append(line)
    sys.exit(f'{log}: no {title}')


def state(title):
    zones, cpu_nodes, settings = [], [], {}
    for line in section(title):
        what, *rest = line.split()
        if what == 'min_free_kbytes':
            settings[what] = int(rest[0])
        elif what == 'nodes':
            cpu_nodes = [int(nid) for nid in rest]
        elif what == 'zone':
            keys = ('start_pfn', 'spanned', 'present', 'managed')
            zone = {'node': int(rest[0]), 'index': int(rest[1]), 'zone': rest[2], **dict(zip(keys, map(int, rest[3:]))),
                    'free_lists': {}, 'cpus': []}
            zones.append(zone)
        elif what == 'marks':
            n = [int(value) for value in rest]
            zone['watermark'] = dict(zip(('min', 'low', 'high', 'boost'), n))
            keys = ('nr_reserved_highatomic', 'nr_free_pages', 'nr_free_cma_pages', 'nr_isolate_pageblock',
                    'percpu_drift_mark', 'flags')
            zone.update(zip(keys, n[4:]))
        elif what == 'reserve':
            zone['lowmem_reserve'] = [int(pages) for pages in rest]
        elif what == 'cpu':
            n = [int(value) for value in rest[1:]]
            zone['cpus'].append({'pcp': dict(zip(('count', 'high', 'batch', 'free_factor'), n)),
                                 'nr_free_pages_cpu_diff': n[4], 'nr_free_cma_pages_cpu_diff': n[5],
                                 'stat_threshold': n[6], 'pcp_lists': {}, 'pcp_types': {}})
        elif what == 'pcp':
            pairs = [entry.split('/') for entry in rest[1:]]
            zone['cpus'][-1]['pcp_lists'][rest[0]] = [int(pfn, 16) for pfn, _ in pairs]
            zone['cpus'][-1]['pcp_types'][rest[0]] = [int(index, 16) for _, index in pairs]
        elif what == 'free':
            zone['free_lists'][rest[0]] = [int(pfn, 16) for pfn in rest[1:]]
        elif what == 'blocks':
            zone['blocks'] = ' '.join(rest)
    return settings, cpu_nodes, zones


settings, cpu_nodes, before = state('before')
ops = [[op, *map(int, rest)] for op, *rest in (line.split() for line in section('ops'))]
case = {'name': name, 'node': -1, 'run': run, 'gfp_kinds': KINDS, 'cpu_nodes': cpu_nodes,
        'note': 'every allocation adds __GFP_NOWARN, p also __GFP_THISNODE; docs/oracle.md has the operations',
        'settings': settings, 'before': before, 'ops': ops, 'after': state('after')[2]}
if any(line.endswith('=====BEGIN trace') for line in lines):
    # What follows the run's last free is the recorder giving back what it still has.
    frees, trace = sum(op[0] == 'f' for op in ops), []
    for event, page in zip(section('trace'), section('pages'), strict=True):
        cpu, text = re.fullmatch(r' *migration/\d+-\d+ +\[0*(\d+)\] \S+ +\d+: (.*)', event).groups()
        frees -= text.startswith('mm_page_free:')
        if frees < 0:
            break
        trace.append(cpu + ' ' + re.sub('page=[^ ]*', page, text))
    case['trace'] = trace
with gzip.GzipFile(fileobj=sys.stdout.buffer, mode='wb', mtime=0) as out:
    out.write(json.dumps(case, separators=(',', ':')).encode())
