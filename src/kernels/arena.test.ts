// Pieces of reservations: apart while they are in use, one again when they are free. npm test -- kernels/arena
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '../math/index.ts';
import { Arena } from './arena.ts';
import { MemoryBudget } from './reservations.ts';

const mebibyte = 2 ** 20;

function open() {
  let next = mebibyte;
  const reserved = new Map<number, number>();
  const reserver = {
    reserve: (bytes: number) => {
      const address = next;
      next += bytes + mebibyte;
      reserved.set(address, bytes);
      return address;
    },
    release: (address: number) => assert.ok(reserved.delete(address)),
    givesZeros: true,
  };
  const budget = new MemoryBudget(2 ** 40, () => {});
  return { arena: new Arena(reserver, budget), reserved, budget };
}

const sum = (sizes: Iterable<number>) => [...sizes].reduce((total, each) => total + each, 0);

test('blocks lie apart, within what is reserved, at multiples of 64; when all are free, all can be given back', () => {
  const { arena, reserved, budget } = open();
  const random = new Random(1);
  const used: { address: number; bytes: number }[] = [];
  for (let round = 0; round < 2000; round++) {
    if (used.length > 40 || (used.length > 0 && random.below(3) === 0)) {
      const [{ address, bytes }] = used.splice(random.below(used.length), 1);
      arena.free(address, bytes);
      continue;
    }
    const bytes = random.below(8) === 0 ? random.whole(1, 20 * mebibyte) : random.whole(1, 50_000);
    const address = arena.alloc(bytes, 'test');
    assert.equal(address % 64, 0);
    assert.ok([...reserved].some(([from, size]) => address >= from && address + bytes <= from + size));
    assert.ok(used.every((other) => address >= other.address + other.bytes || other.address >= address + bytes));
    used.push({ address, bytes });
  }
  assert.ok(arena.liveBytes >= sum(used.map(({ bytes }) => bytes)));
  assert.equal(budget.used, sum(reserved.values()));
  for (const { address, bytes } of used) arena.free(address, bytes);
  assert.equal(arena.liveBytes, 0);
  arena.trim();
  assert.equal(budget.used, 0);
});

test('steps of many sizes, one after another, take what the largest takes', () => {
  const { arena, budget } = open();
  const step = (rows: number) => {
    const blocks = [900, 4000, 10_000, 2000].map((width) => 4 * rows * width);
    const addresses = blocks.map((bytes) => arena.alloc(bytes, 'test'));
    for (const [i, address] of addresses.entries()) arena.free(address, blocks[i]);
  };
  step(512);
  const { used } = budget;
  for (let rows = 1; rows < 512; rows += 7) step(rows);
  assert.equal(budget.used, used);
});

test('an idle arena keeps what it was asked to keep, and blocks that are in use', () => {
  const { arena, budget } = open();
  const sizes = [40, 30, 20, 10].map((size) => size * mebibyte);
  const addresses = sizes.map((bytes) => arena.alloc(bytes, 'test'));
  for (const i of [0, 2, 3]) arena.free(addresses[i], sizes[i]);
  arena.trim(35 * mebibyte);
  assert.equal(budget.used, 60 * mebibyte);
  assert.equal(arena.alloc(20 * mebibyte, 'test'), addresses[2]);
  arena.trim();
  assert.equal(budget.used, 50 * mebibyte);
});

test('large zeros come from the system, and from memory that was used before they are cleared', () => {
  const { arena } = open();
  const cleared: number[] = [];
  const zeros = () => arena.allocZeros(16 * mebibyte, 'test', (address) => cleared.push(address));
  const first = zeros();
  assert.deepEqual(cleared, []);
  arena.free(first, 16 * mebibyte);
  assert.equal(zeros(), first);
  assert.deepEqual(cleared, [first]);
});
