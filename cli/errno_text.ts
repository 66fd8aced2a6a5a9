// What a kernel's refusal means, in the words of strerror(3).

import { EACCES, EAGAIN, EBUSY, EINVAL, ENOENT, ENOMEM, ENOSPC, ERANGE } from '../kernel/include/types.ts';

const texts: ReadonlyMap<number, string> = new Map([
  [ENOENT, 'No such file or directory'],
  [EAGAIN, 'Resource temporarily unavailable'],
  [ENOMEM, 'Cannot allocate memory'],
  [EACCES, 'Permission denied'],
  [EBUSY, 'Device or resource busy'],
  [EINVAL, 'Invalid argument'],
  [ENOSPC, 'No space left on device'],
  [ERANGE, 'Numerical result out of range'],
]);

/** @param error as the kernel returns it, below zero */
export const errnoText = (error: number): string => texts.get(-error) ?? `Unknown error ${-error}`;
