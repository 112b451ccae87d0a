/** The finished systems, as core lists them, and choosing among them by name. */
import {
  dragonflyExtension,
  EXPLAINERS,
  nearest,
  netbsdCommands,
  SYSTEM_NAMES,
  SYSTEMS,
  type SystemName,
} from '@faultline/core';
import type { Environment, SystemEntry } from './environment.js';
import { UsageError } from './failure.js';

/** The commands that only one system has. */
const EXTENSIONS: Readonly<Record<string, Pick<SystemEntry, 'extension'>>> = {
  dragonfly: { extension: dragonflyExtension },
  netbsd: { extension: netbsdCommands },
};

/** Every finished system. */
export const FINISHED: Readonly<Record<string, SystemEntry>> = Object.fromEntries(
  Object.entries(SYSTEMS).map(([name, boot]): [string, SystemEntry] => {
    const explain = EXPLAINERS[name as SystemName];
    return [name, { boot, ...EXTENSIONS[name], ...(explain === undefined ? {} : { explain }) }];
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
