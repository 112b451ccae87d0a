/**
 * What snapshots rest on: the state of a machine lies where a walk over its objects finds it.
 *
 * A `#private` field, a variable of a module, a generator kept in a field would be lost without a word. So there are none, but for those listed
 * here with the reason why they may be.
 */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { type Bag, reachFrom } from '../../packages/core/src/process/reach.js';
import { SYSTEM_NAMES } from '../../packages/core/src/vm/system.js';
import { randomScenario } from '../property/scenario-generator.js';
import { Play, scriptOf } from '../snapshot-tools.js';
import { isTest, lineOf, nodesOf, packageOf, roomOf, sources } from './sources.js';

const ROOMS = ['machine', 'kernel', 'vm', 'csrg', 'freebsd', 'dragonfly', 'netbsd', 'process'];
const CORE = 'packages/core/src/';

/** Files whose classes may hide state: no snapshot enters them. */
const OUTSIDE: Record<string, string> = {
  'machine/file-store.ts': 'real files: of the outer world',
  'machine/fault-store.ts': "a gate is a test's, and once open stays so",
};

/** Values at module level that change, and why that is no state of a machine. */
const MODULE_STATE: Record<string, string> = {
  'machine/columns.ts nextStart': 'where the next column lies: a matter of speed only',
  'kernel/branch.ts coverage': "the test run's account of branches",
  'freebsd/fault-cow.ts retry': 'scratch, written and read within one stage',
  'freebsd/fault-window.ts offered': 'scratch, written and read within one stage',
  'dragonfly/fault-prefault.ts walk': 'scratch, written and read within one stage',
};

/** Functions that objects of a machine hold, and where whatever they refer to is found. */
const FUNCTIONS: Record<string, string> = {
  'Object.page': "page tables' shootdown: refers to the machine",
  'Object.all': "page tables' shootdown: refers to the machine",
  'Object.body': 'the body of a daemon: refers to its Vm',
  'Object.next': 'the scheduler by default: a hook',
  'Object.mine': "a port's way to its system: refers to the system",
  'Object.forget': "a port's way to its system: refers to the system",
};
/** A fault record holds stages. Those in a snapshot are not in use, and all that a fault needs is set when it begins. */
const FREE_RECORD = 'Fault';

const files = sources.filter(
  (file) => packageOf(file) === 'core' && ROOMS.includes(roomOf(file) ?? '') && !isTest(file),
);

describe('the rooms of a machine', () => {
  it('have no #private fields, which no snapshot sees', () => {
    const hidden = files
      .filter((file) => !(file.replace(CORE, '') in OUTSIDE))
      .flatMap((file) =>
        nodesOf(file)
          .filter(ts.isPrivateIdentifier)
          .map((node) => `${file}:${lineOf(file, node)}`),
      );
    expect(hidden).toEqual([]);
  });

  it('have no state at module level', () => {
    const found = files.flatMap((file) =>
      nodesOf(file)
        .filter(ts.isVariableDeclaration)
        .filter(changes)
        .map((node) => `${file.replace(CORE, '')} ${node.name.getText()}`),
    );
    expect(found.sort()).toEqual(Object.keys(MODULE_STATE).sort());
  });
});

/** A variable, or an object that is named like one: what never changes is named in capitals here. */
function changes(node: ts.VariableDeclaration): boolean {
  const list = node.parent;
  if (!ts.isVariableDeclarationList(list) || !ts.isVariableStatement(list.parent)) return false;
  if (!ts.isSourceFile(list.parent.parent)) return false;
  if ((list.flags & ts.NodeFlags.Const) === 0) return true;
  const value = node.initializer;
  if (value === undefined || !/^[a-z]/.test(node.name.getText())) return false;
  const object = ts.isObjectLiteralExpression(value) || ts.isArrayLiteralExpression(value) || ts.isNewExpression(value);
  // A scheduler or a handler: functions only.
  const methods = ts.isObjectLiteralExpression(value) && value.properties.every(isMethod);
  return object && !(methods && value.getChildCount() > 0);
}

function isMethod(property: ts.ObjectLiteralElementLike): boolean {
  if (ts.isMethodDeclaration(property)) return true;
  return ts.isPropertyAssignment(property) && ts.isArrowFunction(property.initializer);
}

describe.each(SYSTEM_NAMES)('%s, in the middle of random scenarios', (name) => {
  const functions = new Set<string>();
  const odd: string[] = [];

  function look(bag: Bag): void {
    const kind = bag.constructor?.name;
    for (const key of Reflect.ownKeys(bag)) {
      const property = Object.getOwnPropertyDescriptor(bag, key) as PropertyDescriptor;
      const plain = typeof key === 'string' && property.enumerable === true && 'value' in property;
      if (!plain || (property.writable !== true && !Object.isFrozen(bag))) odd.push(`${kind}.${String(key)}`);
      if (typeof property.value === 'function' && kind !== FREE_RECORD) functions.add(`${kind}.${String(key)}`);
    }
  }

  it('everything is made of what a snapshot can keep', () => {
    for (let seed = 1; seed <= 8; seed++) {
      const script = scriptOf(randomScenario(seed, 60).join('\n'), name);
      if (script === null) throw new Error('the script cannot be read');
      const play = new Play(script, name);
      play.part(0, Math.floor((script.commands.length * seed) / 8));
      const { bags, arrays, maps, sets } = reachFrom([play.system]);
      for (const bag of bags) look(bag);
      for (const array of arrays)
        if (Reflect.ownKeys(array).length !== array.length + 1) odd.push('an array with holes');
      for (const thing of [...maps, ...sets]) if (Reflect.ownKeys(thing).length > 0) odd.push('a map with properties');
      const inside = [...arrays.flat(), ...maps.flatMap((map) => [...map].flat()), ...sets.flatMap((set) => [...set])];
      if (inside.some((value) => typeof value === 'function')) odd.push('a function in a list');
    }
    expect(odd).toEqual([]);
    const hooks = new Set(['onKill', 'listener', 'stageListener', 'scheduler', 'allocationFails']);
    const unknown = [...functions].filter((one) => !(one in FUNCTIONS) && !hooks.has(one.split('.')[1] as string));
    expect(unknown).toEqual([]);
  });
});
