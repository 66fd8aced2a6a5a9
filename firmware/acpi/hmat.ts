// HMAT, latency, bandwidth and memory-side caches of memory (ACPI 6.5, 5.2.28), as QEMU 7.2 builds it with hmat=on.

import type { HmatCache, HmatLocality, MachineConfig } from '../../emu/config/machine_config.ts';
import { Bytes } from './bytes.ts';
import { table } from './header.ts';

const INITIATOR_VALID = 1;
const FIRST_BANDWIDTH = 3;
const PICOSECONDS = 1000n;
const MiB = 2n ** 20n;

export function hmat({ hmat, nodes }: MachineConfig): Uint8Array | null {
  if (hmat === null) return null;
  const body = new Bytes().u32(0);
  for (const [pxm, { initiator }] of nodes.entries()) putProximityAttributes(body, pxm, initiator);
  const targets = nodes.map((_, id) => id);
  for (const locality of hmat.localities) putLocality(body, locality, hmat.initiators, targets);
  for (const cache of hmat.caches) {
    putCache(body, cache, Math.max(...hmat.caches.filter(({ node }) => node === cache.node).map(({ level }) => level)));
  }
  return table('HMAT', 2, body.take());
}

/** QEMU's number for "no initiator". */
const NO_INITIATOR = 128;

function putProximityAttributes(body: Bytes, pxm: number, initiator: number | null): void {
  body.u16(0).u16(0).u32(40);
  body.u16(initiator === null ? 0 : INITIATOR_VALID).u16(0);
  body.u32(initiator ?? NO_INITIATOR).u32(pxm);
  body.u32(0).u64(0).u64(0);
}

function putLocality(
  body: Bytes,
  { hierarchy, dataType, base, entries }: HmatLocality,
  initiators: readonly number[],
  targets: readonly number[],
): void {
  body
    .u16(1)
    .u16(0)
    .u32(32 + 4 * initiators.length + 4 * targets.length + 2 * initiators.length * targets.length);
  body.u8(hierarchy, dataType, 0, 0).u32(initiators.length).u32(targets.length).u32(0);
  // Latencies are told in picoseconds, bandwidths in MiB a second.
  body.u64(dataType < FIRST_BANDWIDTH ? base * PICOSECONDS : base / MiB);
  for (const id of [...initiators, ...targets]) body.u32(id);
  for (const initiator of initiators) {
    for (const target of targets) {
      const entry = entries.find((each) => each.initiator === initiator && each.target === target);
      body.u16(Number(((entry?.value ?? 0n) / base) & 0xffffn));
    }
  }
}

function putCache(body: Bytes, cache: HmatCache, levels: number): void {
  const { node, size, level, associativity, policy, line } = cache;
  body.u16(2).u16(0).u32(32).u32(node).u32(0).u64(size);
  body.u32((levels | (level << 4) | (associativity << 8) | (policy << 12) | (line << 16)) >>> 0);
  body.u16(0).u16(0);
}
