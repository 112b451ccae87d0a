/**
 * Imports go downwards.
 *
 * Between packages: core < trace < report < cli. Inside core: machine < kernel < vm < the four systems < systems.ts (which
 * lists them) < process < scenario; the systems know nothing of each other. Core imports nothing from outside, so that it runs in a browser; only
 * its file store knows Node, and only node.ts leads there. Tests may look wherever they like.
 */
import { builtinModules } from 'node:module';
import { describe, expect, it } from 'vitest';
import { type Import, importsOf, isTest, manifestOf, packageOf, roomOf, sources } from './sources.js';

/** Lowest first. What stands in one line is on one level, and does not import each other. */
const PACKAGES = [['core'], ['trace'], ['explore'], ['report'], ['cli']];
const ROOMS = [
  ['machine'],
  ['kernel'],
  ['vm'],
  ['csrg', 'freebsd', 'dragonfly', 'netbsd'],
  ['systems'],
  ['process'],
  ['scenario'],
];

/** A file beside the rooms that rooms above the systems may import: it counts as a room. */
const SYSTEMS = 'packages/core/src/systems.ts';
const levelOf = (file: string): string | null => (file === SYSTEMS ? 'systems' : roomOf(file));

/** The one file of core that may import `node:` modules, and the one file that may import it. */
const FILE_STORE = 'packages/core/src/machine/file-store.ts';
const NODE_ENTRY = 'packages/core/src/node.ts';

const shipped = sources.filter((file) => !isTest(file));
const imports = shipped.flatMap(importsOf);
const show = ({ file, line, name }: Import): string => `${file}:${line} imports ${name}`;

const level = (levels: string[][], name: string): number => levels.findIndex((names) => names.includes(name));

/** True when `from` may not import `to`: it is above, or a neighbour. */
function upwards(levels: string[][], from: string, to: string): boolean {
  return from !== to && level(levels, to) >= level(levels, from);
}

/** `@faultline/core/node` belongs to package core; null for what is not ours. */
const ours = (name: string): string | null => /^@faultline\/(\w+)/.exec(name)?.[1] ?? null;
/** `@scope/name/deep` is of package `@scope/name`. */
const npmPackage = (name: string): string =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
const isNode = (name: string): boolean => name.startsWith('node:') || builtinModules.includes(name);

describe('packages', () => {
  it('are all in the order of this test', () => {
    expect([...new Set(sources.map(packageOf))].filter((name) => level(PACKAGES, name) < 0)).toEqual([]);
  });

  it('import only those below them', () => {
    const wrong = imports.filter(({ file, name }) => {
      const to = ours(name);
      return to !== null && (to === packageOf(file) || upwards(PACKAGES, packageOf(file), to));
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it('are left only by name, never by a path', () => {
    const wrong = imports.filter(({ file, target }) => target !== null && packageOf(target) !== packageOf(file));
    expect(wrong.map(show)).toEqual([]);
  });

  it('list what they import in their package.json', () => {
    const declared = (name: string): object => manifestOf(name).dependencies ?? {};
    const wrong = imports.filter(
      ({ file, name, target }) => target === null && !isNode(name) && !(npmPackage(name) in declared(packageOf(file))),
    );
    expect(wrong.map(show)).toEqual([]);
  });
});

describe('core', () => {
  const core = imports.filter(({ file }) => packageOf(file) === 'core');

  it('has only the rooms of this test', () => {
    const rooms = shipped.filter((file) => packageOf(file) === 'core').map(roomOf);
    expect([...new Set(rooms)].filter((room) => room !== null && level(ROOMS, room) < 0)).toEqual([]);
  });

  it('imports downwards from room to room, and the systems not each other', () => {
    const wrong = core.filter(({ file, target }) => {
      const [from, to] = [levelOf(file), target === null ? null : levelOf(target)];
      if (from === null) return false;
      return target !== null && (to === null || upwards(ROOMS, from, to));
    });
    expect(wrong.map(show)).toEqual([]);
  });

  it('imports nothing from outside, except its file store from Node', () => {
    const wrong = core.filter(({ file, name, target }) => target === null && !(file === FILE_STORE && isNode(name)));
    expect(wrong.map(show)).toEqual([]);
  });

  it('leads to the file store only from node.ts', () => {
    const wrong = core.filter(({ file, target }) => target === FILE_STORE && file !== NODE_ENTRY);
    expect(wrong.map(show)).toEqual([]);
    expect(core.filter(({ target }) => target === NODE_ENTRY).map(show)).toEqual([]);
  });

  it('has no dependencies of any kind', () => {
    const { dependencies, optionalDependencies, peerDependencies } = manifestOf('core');
    expect({ ...dependencies, ...optionalDependencies, ...peerDependencies }).toEqual({});
  });
});
