/** The systems by name, how each is started, and which are not finished. */
import { explainCsrg } from './csrg/explain.js';
import { bootCsrg } from './csrg/system.js';
import { explainDragonfly } from './dragonfly/explain.js';
import { bootDragonfly } from './dragonfly/system.js';
import { explainFreebsd } from './freebsd/explain.js';
import { bootFreebsd } from './freebsd/system.js';
import { explainNetbsd } from './netbsd/explain.js';
import { bootNetbsd } from './netbsd/system.js';
import { shown } from './vm/arguments.js';
import type { FaultExplainer } from './vm/explain.js';
import type { SystemName, SystemOptions, VmSystem } from './vm/system.js';

export type SystemFactory = (options?: SystemOptions) => VmSystem;

/** The systems that can be started. */
export const SYSTEMS: Readonly<Partial<Record<SystemName, SystemFactory>>> = {
  csrg: bootCsrg,
  freebsd: bootFreebsd,
  dragonfly: bootDragonfly,
  netbsd: bootNetbsd,
};

/** The systems whose faults can be explained: what a scenario calls its observer (`--explain`). */
export const EXPLAINERS: Readonly<Partial<Record<SystemName, (system: VmSystem) => FaultExplainer>>> = {
  csrg: explainCsrg,
  freebsd: explainFreebsd,
  dragonfly: explainDragonfly,
  netbsd: explainNetbsd,
};

/** Conformance cases with which a system does not agree yet: as long as one is listed, the system is not finished. */
export const KNOWN_DIFFERENCES: Readonly<Partial<Record<SystemName, readonly string[]>>> = {};

/**
 * Starts a machine that runs the named kernel.
 * @throws RangeError for a system that does not exist or is not finished, and for impossible sizes
 */
export function bootSystem(name: SystemName, options: SystemOptions = {}): VmSystem {
  // Own names only: every object has a `toString`, which boots nothing.
  const factory = typeof name === 'string' && Object.hasOwn(SYSTEMS, name) ? SYSTEMS[name] : undefined;
  if (factory === undefined) {
    throw new RangeError(`there is no system ${shown(name)} here; there are: ${Object.keys(SYSTEMS).join(', ')}`);
  }
  return factory(options);
}
