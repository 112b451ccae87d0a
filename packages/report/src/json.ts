/** A comparison for programs: everything that is known, as one JSON document with stable names. */
import type { Comparison } from './comparison.js';

const NUMBER_LIST = /\[\s+(-?[\d.e+-]+(?:,\s+-?[\d.e+-]+)*)\s+\]/g;

/** Indented, but with each list of numbers on one line, since a series of 200 samples is no pleasure on 200. */
export function comparisonJson(comparison: Comparison): string {
  const text = JSON.stringify({ format: 'faultline-comparison', formatVersion: 1, ...comparison }, null, 2);
  return `${text.replace(NUMBER_LIST, (_, numbers: string) => `[${numbers.replace(/\s+/g, ' ')}]`)}\n`;
}
