// The first page of a swap area as mkswap(8) of util-linux writes it: version 1, little-endian.

import { MAX_SWAP_BADPAGES, SWAP_MAGIC, swap_header } from '../include/swap.ts';
import { PAGE_SIZE } from '../include/types.ts';

export interface SwapAreaOptions {
  /** At most 15 characters. */
  readonly label?: string;
  /** 16 bytes. */
  readonly uuid?: readonly number[];
  readonly badpages?: readonly number[];
}

/** @param pages of the area, its header included */
export function mkswap(pages: number, { label = '', uuid = [], badpages = [] }: SwapAreaOptions = {}): Uint8Array {
  const bytes = new Uint8Array(PAGE_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(swap_header.version, 1, true);
  view.setUint32(swap_header.last_page, pages - 1, true);
  view.setUint32(swap_header.nr_badpages, badpages.length, true);
  bytes.set(uuid.slice(0, 16), swap_header.sws_uuid);
  const text = (at: number, value: string): void =>
    bytes.set(
      [...value].map((c) => c.charCodeAt(0)),
      at,
    );
  text(swap_header.sws_volume, label.slice(0, 15));
  for (const [n, page] of badpages.slice(0, MAX_SWAP_BADPAGES).entries()) {
    view.setUint32(swap_header.badpages + 4 * n, page, true);
  }
  text(swap_header.magic, SWAP_MAGIC);
  return bytes;
}
