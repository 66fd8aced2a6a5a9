// `--config`: a preset of the kernel's build switches, and single switches that differ from it.

import { type KernelConfig, presets } from '../kernel/config.ts';
import { UsageError } from './command.ts';
import { nearestName } from './near.ts';

type Switch = { [K in keyof KernelConfig]: KernelConfig[K] extends boolean ? K : never }[keyof KernelConfig];

const isPreset = (name: string): name is keyof typeof presets => Object.hasOwn(presets, name);
const isSwitch = (config: KernelConfig, name: string): name is Switch =>
  Object.hasOwn(config, name) && typeof config[name as keyof KernelConfig] === 'boolean';

/** All that can be on or off. */
export const configSwitches: readonly string[] = Object.keys(presets.debian).filter((name) =>
  isSwitch(presets.debian, name),
);

function noSwitch(key: string): string {
  const near = nearestName(key, configSwitches);
  const there = near === null ? `there are ${configSwitches.join(', ')}` : `did you mean ${near}?`;
  return `--config: no switch "${key}" that is on or off; ${there}`;
}

/** @param text "debian", "recorder,DEBUG_VM=y,PAGE_OWNER=y" */
export function parseConfigOption(text: string): KernelConfig {
  const [name = '', ...changes] = text.split(',');
  if (!isPreset(name)) {
    throw new UsageError([`--config: no configuration "${name}"; there are ${Object.keys(presets).join(', ')}`]);
  }
  const config = presets[name];
  const switches: Partial<Record<Switch, boolean>> = {};
  for (const change of changes) {
    const [key = '', value] = change.replace(/^CONFIG_/, '').split('=');
    if (!isSwitch(config, key)) throw new UsageError([noSwitch(key)]);
    if (value !== 'y' && value !== 'n') throw new UsageError([`--config: ${key} is y or n, not "${value ?? ''}"`]);
    switches[key] = value === 'y';
  }
  return { ...config, ...switches };
}
