/**
 * The register of checks: what each memory call owes its caller, by the ids of the checklist.
 *
 * A check has an id (a letter for the call, a number), a sentence, the systems that it says nothing about with the reason, and a body that is run in a
 * fresh `World` for every other system. Both the tests (`checklist.test.ts`) and `npm run checklist` are made from this register.
 */
import type { SystemName } from '@faultline/core';
import { SYSTEM_NAMES } from '@faultline/core';
import { World } from './world.js';

/** Systems to which a check does not apply, and why. */
export type NotOn = Partial<Record<SystemName, string>>;

export interface Check {
  readonly id: string;
  readonly title: string;
  readonly not: NotOn;
  readonly body: (w: World) => void | Promise<void>;
}

export const CHECKS: Check[] = [];

/** Enters a check. Ids are unique. */
export function check(id: string, title: string, not: NotOn, body: Check['body']): void {
  if (CHECKS.some((other) => other.id === id)) throw new Error(`check ${id} is there already`);
  CHECKS.push({ id, title, not, body });
}

/** For checks about what only some systems have. */
export function only(systems: readonly SystemName[], reason: string): NotOn {
  return Object.fromEntries(SYSTEM_NAMES.filter((name) => !systems.includes(name)).map((name) => [name, reason]));
}

/** Enters a check about what no machine of this project has. */
export function nowhere(id: string, title: string, reason: string): void {
  check(id, title, only([], reason), () => undefined);
}

/** The systems that a check is run on. */
export function systemsOf({ not }: Check): SystemName[] {
  return SYSTEM_NAMES.filter((name) => not[name] === undefined);
}

/** Runs a check on one system, and looks at what it leaves behind. */
export async function runCheck(one: Check, system: SystemName): Promise<void> {
  const w = new World(system);
  await one.body(w);
  await w.finish();
}
