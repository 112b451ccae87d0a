/**
 * What the code keeps to: types that mean something, numbers that are fast, and branches that have one name each.
 */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { isTest, lineOf, nodesOf, packageOf, read, roomOf, sources, written } from './sources.js';

/** Rooms on the path of a fault, where a BigInt would cost forty times a number. */
const HOT_ROOMS = ['machine', 'kernel', 'vm', 'csrg', 'freebsd', 'dragonfly', 'netbsd'];
const BIG = new Set(['BigInt', 'BigInt64Array', 'BigUint64Array']);

const typescript = written.filter((file) => file.endsWith('.ts'));

/** `file:line` of each node that `wrong` picks. */
function find(files: readonly string[], wrong: (node: ts.Node) => boolean): string[] {
  return files.flatMap((file) =>
    nodesOf(file)
      .filter(wrong)
      .map((node) => `${file}:${lineOf(file, node)}`),
  );
}

describe('types', () => {
  it('are never `any`', () => {
    expect(find(typescript, (node) => node.kind === ts.SyntaxKind.AnyKeyword)).toEqual([]);
  });

  it('are not silenced', () => {
    const word = new RegExp(`@ts-${'(ignore|nocheck|expect-error)'}`);
    expect(typescript.filter((file) => word.test(read(file)))).toEqual([]);
  });
});

describe('the rooms on the path of a fault', () => {
  it('have no BigInt', () => {
    const hot = sources.filter((file) => packageOf(file) === 'core' && HOT_ROOMS.includes(roomOf(file) ?? ''));
    const big = find(
      hot.filter((file) => !isTest(file)),
      (node) =>
        node.kind === ts.SyntaxKind.BigIntKeyword ||
        ts.isBigIntLiteral(node) ||
        (ts.isIdentifier(node) && BIG.has(node.text)),
    );
    expect(big).toEqual([]);
  });
});

describe('branch tables', () => {
  /** Ids of the rows of a table: properties named like a branch, whose value says when it is taken. */
  function branchIds(file: string): { id: string; at: string }[] {
    return nodesOf(file).flatMap((node) => {
      if (!ts.isPropertyAssignment(node) || !ts.isObjectLiteralExpression(node.initializer)) return [];
      const columns = node.initializer.properties.map((property) => property.name?.getText());
      const isRow = columns.includes('when') && columns.includes('effect');
      return isRow ? [{ id: node.name.getText().replace(/['"]/g, ''), at: `${file}:${lineOf(file, node)}` }] : [];
    });
  }

  it('name each branch of a room once', () => {
    const seen = new Map<string, string>();
    const twice: string[] = [];
    for (const file of sources.filter((name) => packageOf(name) === 'core' && !isTest(name))) {
      for (const { id, at } of branchIds(file)) {
        const key = `${roomOf(file)} ${id}`;
        const first = seen.get(key);
        if (first === undefined) seen.set(key, at);
        else twice.push(`${at} ${id} is already at ${first}`);
      }
    }
    expect(twice).toEqual([]);
  });
});
