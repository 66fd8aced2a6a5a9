import type { LibraryHandle } from 'koffi';

export function cachedLibrary(): string;
export function isNewEnough(version: readonly number[]): boolean;
export function findUnicorn(
  koffi: typeof import('koffi'),
  named?: string,
): { lib: LibraryHandle; path: string; version: string } | { problems: string[] };
export function howToInstall(problems: readonly string[]): string;
