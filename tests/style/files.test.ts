/**
 * What every file keeps to: it says what it is, it can be read in one sitting, and it names no place that exists on one machine only.
 */
import { describe, expect, it } from 'vitest';
import { filesUnder, isTest, packageOf, read, written } from './sources.js';

/** Lines that a file may have. */
const MOST_LINES = 500;

/**
 * Files that may be longer, each with its own limit and the reason. The limit is there so that the file does not go on
 * growing; a reason that is no longer true is taken out with its line.
 */
const LONGER: Record<string, { readonly lines: number; readonly reason: string }> = {};

/** Lines as an editor counts them. */
function lineCount(file: string): number {
  return read(file).replace(/\n$/, '').split('\n').length;
}

/** The words of the comment that a file opens with, after the line that names its interpreter. */
function openingComment(file: string): string {
  const text = read(file).replace(/^#!.*\n/, '');
  const comment = /^(?:\/\*[\s\S]*?\*\/|(?:\/\/.*\n)+|(?:#.*\n)+)/.exec(text)?.[0] ?? '';
  return comment.replace(/[\s*/#]/g, '');
}

describe('every source file', () => {
  it('begins with a comment that says what it is', () => {
    // `x.test.ts` beside `x.ts` says it with its name.
    const named = (file: string): boolean => isTest(file) && written.includes(file.replace('.test.ts', '.ts'));
    expect(written.filter((file) => !named(file) && openingComment(file).length < 15)).toEqual([]);
  });

  it(`has at most ${MOST_LINES} lines, or a reason`, () => {
    const long = written
      .filter((file) => lineCount(file) > (LONGER[file]?.lines ?? MOST_LINES))
      .map((file) => `${file}: ${lineCount(file)} lines`);
    expect(long).toEqual([]);
  });
});

describe('the model of processes', () => {
  const MODEL_LINES = 600;

  it(`has at most ${MODEL_LINES} lines in all: what judges four kernels must be read in one sitting`, () => {
    const files = written.filter((file) => file.startsWith('tests/process/model/'));
    expect(files).not.toEqual([]);
    expect(files.reduce((lines, file) => lines + lineCount(file), 0)).toBeLessThanOrEqual(MODEL_LINES);
  });
});

describe('the table of longer files', () => {
  it('names only files that are longer, with a reason', () => {
    const needless = Object.entries(LONGER).filter(
      ([file, { reason }]) => !written.includes(file) || lineCount(file) <= MOST_LINES || reason.length < 20,
    );
    expect(needless).toEqual([]);
  });
});

describe('the repository', () => {
  const TEXT = /\.(ts|mjs|js|json|md|c|h|sh|yml|html)$/;

  it('names no place of the machine that it was written on', () => {
    // In pieces, so that this file does not find itself.
    const places = ['/wo' + 'rk/', 'sha' + 'red/', '/ro' + 'ot/', '/ho' + 'me/'].map(
      (place) => new RegExp(`(?<![\\w.-])${place}`),
    );
    const found = filesUnder('.')
      .filter((file) => TEXT.test(file) || file.startsWith('.ci/'))
      .flatMap((file) =>
        read(file)
          .split('\n')
          .flatMap((line, i) => (places.some((place) => place.test(line)) ? [`${file}:${i + 1} ${line.trim()}`] : [])),
      );
    expect(found).toEqual([]);
  });

  it('gives each package the licence, since npm packs only what lies in its folder', () => {
    const packages = [...new Set(filesUnder('packages').map(packageOf))];
    expect(packages.filter((name) => read(`packages/${name}/LICENSE`) !== read('LICENSE'))).toEqual([]);
  });
});
