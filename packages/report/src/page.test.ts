import { parseHTML } from 'linkedom';
import { describe, expect, test } from 'vitest';
import { comparison, processAccount, replayResult } from '../../../tests/report-fixture.js';
import { comparisonPage } from './page.js';

const two = comparison([
  replayResult('freebsd', {
    processes: [processAccount(1, 'sh'), processAccount(2, 'ls')],
    series: { ...replayResult('freebsd').series, running: [1, 1, 2], processes: [1, 2, 1] },
  }),
  replayResult('netbsd', { faults: 4321, statistics: { faults: 4321 } }),
]);

/** The text of a page's elements, as a reader sees it. */
function texts(page: string, selector: string): string[] {
  const { document } = parseHTML(page) as unknown as { document: Queryable };
  return [...document.querySelectorAll(selector)].map(({ textContent }) => textContent.replace(/\s+/g, ' ').trim());
}

interface Queryable {
  querySelectorAll(selector: string): Iterable<{ readonly textContent: string }>;
}

describe('the page of a comparison', () => {
  const page = comparisonPage(two);

  test('needs nothing but itself', () => {
    expect(page).not.toMatch(/<script|<link|<img|<iframe|@import|url\(/i);
    const addresses = [...page.matchAll(/https?:\/\/[^"\s<]+/g)].map(([address]) => address);
    expect(addresses.filter((address) => !address.startsWith('http://www.w3.org/'))).toEqual([]);
  });

  test('has every table and plot, and how to get it again', () => {
    expect(texts(page, 'h1')).toEqual(['ls on FreeBSD and NetBSD']);
    expect(texts(page, 'h2')).toEqual(['Figures', 'Processes', 'Counters by kernel name', 'To get the same again']);
    expect(texts(page, 'figcaption strong')).toEqual([
      'Faults by kind',
      'Faults over the run',
      'Pages in use',
      'Processes',
    ]);
    expect(texts(page, 'pre')).toEqual(['npx faultline compare traces/ls.vmt --memory 256M --swap 0']);
    expect(texts(page, 'code')).toContain('0123456789abcdef'.repeat(4));
    expect(texts(page, 'td')).toContain('4,321');
  });

  test('draws with marks, not with empty frames', () => {
    expect((page.match(/<svg/g) ?? []).length).toBe(4);
    expect(page).toContain('aria-label="bar"');
    expect(page).toContain('aria-label="line"');
    expect(page).toContain('aria-label="area"');
    expect(page).not.toContain('NaN');
    expect(page).not.toContain('undefined');
  });

  test('closes what it opens', () => {
    for (const tag of ['div', 'table', 'tbody', 'tr', 'td', 'th', 'figure', 'svg', 'g', 'p', 'span', 'pre', 'dl']) {
      const opened = page.match(new RegExp(`<${tag}[\\s>]`, 'g')) ?? [];
      const closed = page.match(new RegExp(`</${tag}>`, 'g')) ?? [];
      expect([tag, closed.length]).toEqual([tag, opened.length]);
    }
  });

  test('is the same for the same comparison', () => {
    expect(comparisonPage(two)).toBe(page);
  });
});

test('what a trace says cannot become markup', () => {
  const base = comparison([replayResult('freebsd', { stopped: 'KernelPanic: <i>' })]);
  const hostile = '<script>alert("1")</script> & "quotes"';
  const page = comparisonPage({
    ...base,
    trace: { ...base.trace, program: hostile, command: [hostile], notes: [hostile], path: hostile },
    repeat: hostile,
  });
  expect(page).not.toContain('<script');
  expect(texts(page, 'h1')).toEqual([`${hostile} on FreeBSD`]);
  expect(texts(page, '.stop')).toEqual(['freebsd stopped early: KernelPanic: <i>']);
});

test('a replay in which nothing happened has no plots to show', () => {
  const none = { zeroFill: 0, copied: 0, copyAvoided: 0, pagedIn: 0, mappedOnly: 0 };
  const empty = { references: [0], faults: [0], major: [0], processes: [1], running: [1], simulatedNs: [], queues: {} };
  const page = comparisonPage(comparison([replayResult('freebsd', { faults: 0, kinds: none, series: empty })]));
  expect(page).not.toContain('<svg');
  expect(page).toContain('took no fault');
});
