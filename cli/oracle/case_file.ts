// Recorded cases as files: reads one, plain or gzipped, and tells its kind by what is in it, never by its name.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { CaseError, Field } from './fields.ts';

export type CaseKind = 'boot' | 'alloc' | 'real machine';

export interface CaseFile {
  readonly kind: CaseKind;
  readonly path: string;
  /** The case's own name; the file's where it has none. */
  readonly name: string;
  readonly fields: Field;
}

/** @throws CaseError when the file cannot be read, is not JSON, or is no case that we know */
export function readCaseFile(path: string): CaseFile {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new CaseError(`cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
  return parseCase(bytes, path);
}

export function parseCase(bytes: Uint8Array, path: string): CaseFile {
  let value: unknown;
  try {
    const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes;
    value = JSON.parse(new TextDecoder().decode(plain));
  } catch (error) {
    throw new CaseError(`is not JSON, nor gzipped JSON: ${(error as Error).message}`);
  }
  const fields = new Field(value, '');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CaseError('is not a JSON object');
  const name = fields.member('name').optional((field) => field.string()) ?? baseName(path);
  return { kind: kindOf(fields), path, name, fields };
}

export const baseName = (path: string): string => path.replace(/^.*\//, '').replace(/\.json(\.gz)?$/, '');

function kindOf(fields: Field): CaseKind {
  const has = (key: string) => fields.member(key).present;
  if (has('ops') && has('before')) return 'alloc';
  if (has('memblock_reserved_at_free') && has('expect')) return 'boot';
  if (has('e820') && has('srat') && has('expect')) return 'real machine';
  throw new CaseError(
    'is no case that is known: a boot case has memblock_reserved_at_free, an allocation case ops, a real machine srat',
  );
}
