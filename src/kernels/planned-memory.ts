// The memory of a recording: every block's lifetime is known before the first replay, so all places are chosen at once.
//
// While a list is recorded, blocks have addresses that no memory has; place() then packs those whose lifetimes overlap
// side by side, reserves the whole (or shares it with other recordings), and tells the real address of each. Lifetimes
// count commands. The largest blocks choose first, each the lowest gap that fits (as TensorFlow Lite's greedy by size);
// a recorded training step then takes a few percent more than its live bytes at most, where size classes took up to 70
// % more.
import { Buffer } from './buffer.ts';
import type { Device } from './device.ts';
import { type MemoryBudget, Reservations, type Reserver } from './reservations.ts';
import type { SharedMemory } from './shared-memory.ts';

interface Block {
  /** The address while recording. */
  readonly address: number;
  readonly bytes: number;
  /** Commands that were recorded when it was taken, and when it was freed. */
  readonly from: number;
  to: number;
  buffer: Buffer | null;
  /** Where it is in the end. */
  place: number;
}

/** Above every real address, and exact as a number. */
const firstAddress = 2 ** 51;
const alignment = 64;

export class PlannedMemory {
  readonly #reservations: Reservations;
  readonly #shared: SharedMemory | null;
  /** Whether every block is its own reservation, so that AddressSanitizer sees each buffer's end. */
  readonly #isApart: boolean;
  readonly #countCommands: () => number;
  readonly #blocks: Block[] = [];
  #next = firstAddress;
  #moved: ((distance: number) => void) | null = null;

  constructor(
    reserver: Reserver & { readonly exactMemory: boolean },
    budget: MemoryBudget,
    countCommands: () => number,
    shared: SharedMemory | null = null,
  ) {
    this.#reservations = new Reservations(reserver, budget);
    this.#shared = shared;
    this.#isApart = reserver.exactMemory;
    this.#countCommands = countCommands;
  }

  /** Takes a block, whose buffer moves when places are chosen. */
  take(device: Device, bytes: number): Buffer {
    const buffer = new Buffer(device, this, this.#next, bytes);
    const from = this.#countCommands();
    this.#blocks.push({ address: this.#next, bytes, from, to: Number.POSITIVE_INFINITY, buffer, place: 0 });
    this.#next += bytes + 1; // the end of a block is not the start of another
    return buffer;
  }

  /** Ends a lifetime; without effect once places are chosen. */
  free(address: number): void {
    const block = this.#find(address);
    if (block === null) return;
    block.to = this.#countCommands();
    block.buffer = null;
  }

  /**
   * Gives all blocks their memory and moves their buffers. Returns the real address for one given while recording.
   * `moved` is called when shared memory moves later, by how many bytes.
   */
  place(moved: (distance: number) => void = () => {}): (address: number) => number {
    const used = this.#blocks.filter(({ from, to }) => from < to);
    if (this.#isApart) for (const block of used) block.place = this.#reservations.reserve(block.bytes, 'record');
    else this.#placeTogether(used, moved);
    for (const { buffer, place } of used) buffer?.move(place);
    return (address) => {
      const block = this.#find(address);
      return block === null ? address : block.place + (address - block.address);
    };
  }

  dispose(): void {
    if (this.#moved) this.#shared?.leave(this.#moved);
    this.#reservations.releaseAll();
  }

  #placeTogether(blocks: readonly Block[], moved: (distance: number) => void): void {
    const bytes = placeBlocks(blocks);
    if (bytes === 0) return;
    const base = this.#shared ? this.#join(this.#shared, bytes, moved) : this.#reservations.reserve(bytes, 'record');
    for (const block of blocks) block.place += base;
  }

  #join(shared: SharedMemory, bytes: number, moved: (distance: number) => void): number {
    this.#moved = (distance) => {
      for (const { buffer } of this.#blocks) buffer?.move(buffer.address + distance);
      moved(distance);
    };
    return shared.join(bytes, this.#moved);
  }

  /** Finds the block that holds an address; null for an address from elsewhere. */
  #find(address: number): Block | null {
    if (address < firstAddress) return null;
    let [low, high] = [0, this.#blocks.length];
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (this.#blocks[middle].address <= address) low = middle;
      else high = middle;
    }
    return this.#blocks[low];
  }
}

/** Gives each block a place from 0 on, apart from all that live at the same time; returns the bytes of the whole. */
function placeBlocks(blocks: readonly Block[]): number {
  const placed: Block[] = []; // by place
  let end = 0;
  for (const block of blocks.toSorted((a, b) => b.bytes - a.bytes || a.from - b.from)) {
    let place = 0;
    for (const other of placed) {
      if (other.from >= block.to || block.from >= other.to) continue;
      if (other.place - place >= block.bytes) break;
      place = Math.max(place, align(other.place + other.bytes));
    }
    block.place = place;
    end = Math.max(end, place + block.bytes);
    insert(placed, block);
  }
  return end;
}

function align(address: number): number {
  return Math.ceil(address / alignment) * alignment;
}

function insert(placed: Block[], block: Block): void {
  let [low, high] = [0, placed.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (placed[middle].place < block.place) low = middle + 1;
    else high = middle;
  }
  placed.splice(low, 0, block);
}
