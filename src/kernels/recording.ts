// A recorded command list: encoded once, replayed with other inputs and no work per command.
//
// Memory taken while recording belongs to the recording, which places it when it ends (planned-memory.ts), or is shared
// by several, of which one runs at a time (shared-memory.ts). A block of words that a replay in flight reads is never
// rewritten: bind() then moves the recording to a new block. Left out: changing shapes, which is a new recording.
import type { Buffer, Device } from './device.ts';
import { DeviceError, DisposedError, ValueError } from './errors.ts';
import type { PlannedMemory } from './planned-memory.ts';

/** A list of commands that can be run again and again, with other contents or other buffers as its inputs. */
export class Recording {
  readonly device: Device;
  readonly memory: PlannedMemory;
  readonly #inputs: readonly Buffer[];
  readonly #places = new Map<Buffer, { word: number; offset: number }[]>();
  readonly #inFlight = new Map<number, number>(); // block address -> replays not yet done
  /** The words that hold addresses of its own memory. */
  readonly #own: number[] = [];
  #words = new Float64Array(0);
  #block = 0;
  #stale = false;
  #disposed = false;
  commands = 0;

  constructor(device: Device, memory: PlannedMemory, inputs: readonly Buffer[]) {
    this.device = device;
    this.memory = memory;
    this.#inputs = inputs;
  }

  /** Ends the recording: places its memory, and finds the words that hold each input's address. For Device only. */
  seal(words: Float64Array<ArrayBuffer>, commands: number): void {
    this.#words = words;
    this.commands = commands;
    const toPlace = this.memory.place((distance) => this.#move(distance));
    for (const input of this.#inputs) this.#places.set(input, []);
    for (let at = 0; at < words.length; at += 2 + words[at + 1]) {
      this.device.addressWords(words[at], words[at + 1]).forEach((address, i) => {
        if (!address) return;
        const word = at + 2 + i;
        const value = toPlace(words[word]);
        if (value !== words[word]) this.#own.push(word);
        words[word] = value;
        const input = this.#inputs.find((b) => value >= b.address && value < b.address + b.bytes);
        if (input) this.#places.get(input)?.push({ word, offset: value - input.address });
      });
    }
    this.#block = this.device.stage(words);
  }

  /** From the next replay on, uses `replacement` (from `offsetBytes` on) wherever the recording used `input`. */
  bind(input: Buffer, replacement: Buffer, offsetBytes = 0): void {
    const places = this.#places.get(input);
    if (!places) throw new DeviceError('bind', 'not an input of this recording', 'name it in record(inputs, ...)');
    if (replacement.freed) throw new DisposedError('bind', 'the replacement was freed', 'keep it alive');
    if (replacement.device !== this.device)
      throw new DeviceError('bind', 'the replacement belongs to another device', 'copy it over with read and write');
    const room = replacement.bytes - offsetBytes;
    if (offsetBytes < 0 || room < input.bytes)
      throw new ValueError(
        'bind',
        `the recording was made for ${input.bytes} bytes, the replacement has ${room}`,
        'record again for the new shape',
      );
    const address = replacement.address + offsetBytes;
    for (const { word, offset } of places) this.#words[word] = address + offset;
    this.#stale = true;
  }

  /** Runs the recorded commands after everything encoded so far. */
  replay(): void {
    if (this.#disposed) throw new DisposedError('replay', 'the recording was disposed', 'record again');
    if (this.#stale) this.#rewrite();
    const block = this.#block;
    this.#inFlight.set(block, (this.#inFlight.get(block) ?? 0) + 1);
    this.device.submitBlock(block, this.#words.length, () => this.#done(block));
  }

  /** Gives the recording's memory back, its outputs included. Await device.flush() first. */
  dispose(): void {
    if (this.#disposed) return;
    if (this.#inFlight.size > 0)
      throw new DeviceError('dispose', 'replays of the recording are in flight', 'await device.flush() first');
    this.#disposed = true;
    if (this.device.closed) return;
    this.device.unstage(this.#block, this.#words.byteLength);
    this.memory.dispose();
  }

  #move(distance: number): void {
    for (const word of this.#own) this.#words[word] += distance;
    this.#stale = true;
  }

  /** Puts the changed words where no replay in flight reads them. */
  #rewrite(): void {
    if (this.#inFlight.has(this.#block)) this.#block = this.device.stage(this.#words);
    else this.device.stage(this.#words, this.#block);
    this.#stale = false;
  }

  #done(block: number): void {
    const pending = (this.#inFlight.get(block) as number) - 1;
    if (pending > 0) {
      this.#inFlight.set(block, pending);
      return;
    }
    this.#inFlight.delete(block);
    if (block !== this.#block) this.device.unstage(block, this.#words.byteLength);
  }
}
