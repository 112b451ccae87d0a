/** The finished systems, as core lists them, and choosing among them by name. */
import {
  dragonflyExtension,
  type ExtensionFactory,
  nearest,
  SYSTEM_NAMES,
  SYSTEMS,
  type SystemName,
} from '@faultline/core';
import type { Environment, SystemEntry } from './environment.js';
import { UsageError } from './failure.js';

/** The commands that a system alone has. */
const EXTENSIONS: Readonly<Partial<Record<string, ExtensionFactory>>> = { dragonfly: dragonflyExtension };

/** Every finished system. A system's own commands and its explainer are named here beside it. */
export const FINISHED: Readonly<Record<string, SystemEntry>> = Object.fromEntries(
  Object.entries(SYSTEMS).map(([name, boot]): [string, SystemEntry] => {
    const extension = EXTENSIONS[name];
    return [name, extension === undefined ? { boot } : { boot, extension }];
  }),
);

export interface Chosen extends SystemEntry {
  readonly name: SystemName;
}

/** The system of that name; otherwise an error that names those that are here. */
export function chooseSystem(environment: Environment, name: string | undefined): Chosen {
  const here = Object.keys(environment.systems);
  const list = `the systems here are: ${here.join(', ')}`;
  if (name === undefined) throw new UsageError(`which system? say --system NAME; ${list}`);
  const entry = Object.hasOwn(environment.systems, name) ? environment.systems[name] : undefined;
  if (entry !== undefined) return { ...entry, name: name as SystemName };
  if ((SYSTEM_NAMES as readonly string[]).includes(name)) {
    throw new UsageError(`system ${name} is not finished in this version; ${list}`);
  }
  const near = nearest(name, here);
  throw new UsageError(`unknown system ${name}${near === null ? '' : ` (did you mean ${near}?)`}; ${list}`);
}
