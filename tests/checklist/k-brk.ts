/** brk: the end of the data segment. */
import assert from 'node:assert/strict';
import { check } from './registry.js';
import { tableCheck } from './table.js';
import { ends, holds, MIB, ok, PAGE, PROT_READ, store, zeros } from './world.js';

check('K1', 'what is grown reads as zeros', {}, (w) => {
  const end = w.p.dataEnd;
  ok(w.p.brk(end + 20 * PAGE));
  assert.equal(w.p.dataEnd, end + 20 * PAGE);
  zeros(w.p, end, 20 * PAGE);
  store(w.p, end, 20, 1);
  holds(w.p, end, 20, 1);
  ok(w.p.brk(end + 21 * PAGE));
  zeros(w.p, end + 20 * PAGE, PAGE);
  holds(w.p, end, 20, 1);
});

check('K2', 'what was given back and is grown again reads as zeros', {}, (w) => {
  const end = w.p.dataEnd;
  for (let round = 0; round < 3; round++) {
    ok(w.p.brk(end + 10 * PAGE));
    zeros(w.p, end + (round === 0 ? 0 : 4 * PAGE), (round === 0 ? 10 : 6) * PAGE);
    store(w.p, end, 10, 5);
    if (round === 1) w.squeeze();
    ok(w.p.brk(end + 4 * PAGE));
    w.expects(
      'access of nothing',
      ends(() => w.p.load8(end + 4 * PAGE)),
    );
    holds(w.p, end, 4, 5);
  }
});

tableCheck('K3', 'beyond the limit: refused, and the break stays', {}, 'brk over the limit');
tableCheck('K4', 'below the base: refused', {}, 'brk below the base');
tableCheck('K5', 'into a mapping: refused, and the break and the mapping stay', {}, 'brk into a mapping');
tableCheck('K6', 'a break that wraps: refused', {}, 'brk that wraps');

check('K7', 'a break inside a page keeps the page', {}, (w) => {
  const end = w.p.dataEnd;
  ok(w.p.brk(end + PAGE + 100));
  w.p.store8(end + PAGE + 50, 7);
  w.p.store8(end + PAGE + 3000, 8);
  ok(w.p.brk(end + PAGE + 60));
  assert.deepEqual([w.p.load8(end + PAGE + 50), w.p.load8(end + PAGE + 3000)], [7, 8]);
  ok(w.p.brk(end + 2 * PAGE));
  assert.equal(w.p.load8(end + PAGE + 3000), 8);
  ok(w.p.brk(end + PAGE));
  w.expects(
    'access of nothing',
    ends(() => w.p.load8(end + PAGE + 50)),
  );
});

check('K8', 'shrinking over an entry that mprotect has cut', {}, (w) => {
  const end = w.p.dataEnd;
  ok(w.p.brk(end + 10 * PAGE));
  store(w.p, end, 10, 3);
  ok(w.p.mprotect(end + 4 * PAGE, 2 * PAGE, PROT_READ));
  ok(w.p.brk(end + 5 * PAGE));
  holds(w.p, end, 5, 3);
  w.expects(
    'access of nothing',
    ends(() => w.p.load8(end + 5 * PAGE)),
  );
  w.expects(
    'write to read-only memory',
    ends(() => w.p.store8(end + 4 * PAGE, 1)),
  );
  ok(w.p.brk(end));
  ok(w.p.brk(end + 10 * PAGE));
  zeros(w.p, end, 10 * PAGE);
  store(w.p, end, 10, 4);
});

check('K9', 'sbrk, as the C library makes it of brk, answers where the break was', {}, (w) => {
  const end = w.p.dataEnd;
  assert.equal(w.p.sbrk(3 * PAGE), end);
  assert.equal(w.p.sbrk(0), end + 3 * PAGE);
  store(w.p, end, 3, 1);
  assert.equal(w.p.sbrk(-PAGE), end + 3 * PAGE);
  assert.equal(w.p.dataEnd, end + 2 * PAGE);
  w.p.setLimits({ data: MIB });
  assert.equal(typeof w.p.sbrk(2 * MIB), 'string');
  assert.equal(w.p.sbrk(0), end + 2 * PAGE);
});
