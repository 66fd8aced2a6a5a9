// An Output for commands under test: keeps what a user would see on standard output and standard error.

import type { Output } from '../../cli/command.ts';

export class Captured implements Output {
  stdout = '';
  stderr = '';

  out(text: string): void {
    this.stdout += text;
  }
  err(text: string): void {
    this.stderr += text;
  }
}
