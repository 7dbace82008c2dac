// The other end of mask-worker.ts: a thread that is started when it is needed, and ended when it no longer answers.
import { Worker } from 'node:worker_threads';
import type { Constraint } from './constraint.ts';
import { GrammarError } from './errors.ts';
import type { FromMaskWorker, MaskReply, MaskRequest, MaskVocabulary, ToMaskWorker } from './worker-messages.ts';

interface Pending {
  readonly resolve: (reply: FromMaskWorker) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/** A grammar within the limits compiles in seconds on a slow machine; a mask takes less than a millisecond. */
const limitMs = 60_000;

export class MaskThread {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  readonly #queued: { readonly request: MaskRequest; readonly done: (reply: MaskReply | Error) => void }[] = [];
  #nextId = 0;
  #ended: Error | null = null;

  constructor(vocabulary: MaskVocabulary) {
    const file = import.meta.url.replace(/mask-thread(\.[jt]s)$/, 'mask-worker$1');
    this.#worker = new Worker(new URL(file), { workerData: vocabulary, execArgv: [], stdout: true, stderr: true });
    this.#worker.unref();
    this.#worker.on('message', (reply: FromMaskWorker) => this.#take(reply));
    this.#worker.on('error', (error) => this.end(error));
    this.#worker.on('exit', () => this.end(new Error('the thread for grammars has ended')));
  }

  get hasEnded(): boolean {
    return this.#ended !== null;
  }

  /** Compiles a grammar; resolves with the mask of first tokens. Rejects with GrammarError where it is too much. */
  async compile(grammar: number, constraint: Constraint): Promise<Int32Array<ArrayBuffer>> {
    const reply = await this.#ask((id) => ({ kind: 'compile', id, grammar, constraint }));
    if ('mask' in reply) return reply.mask;
    if ('refusal' in reply) throw new GrammarError(reply.refusal.problem, reply.refusal.pointer, reply.refusal.callee);
    throw new GrammarError(`it cannot be compiled (${'failure' in reply ? reply.failure : ''}): simplify it`);
  }

  send(message: ToMaskWorker): void {
    if (this.#ended === null) this.#worker.postMessage(message);
  }

  /** Asks for masks. What is asked in one turn of the event loop is one message. */
  masks(request: MaskRequest): Promise<MaskReply> {
    return new Promise((resolve, reject) => {
      const done = (reply: MaskReply | Error) => (reply instanceof Error ? reject(reply) : resolve(reply));
      if (this.#queued.push({ request, done }) === 1) queueMicrotask(() => void this.#flush());
    });
  }

  /** Ends the thread; whoever waits gets the error. */
  end(error: Error): void {
    this.#ended ??= error;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(this.#ended);
    }
    this.#pending.clear();
    void this.#worker.terminate();
  }

  async #flush(): Promise<void> {
    const asked = this.#queued.splice(0);
    const requests = asked.map(({ request }) => request);
    try {
      const reply = await this.#ask((id) => ({ kind: 'masks', id, requests }));
      if (!('replies' in reply)) throw new Error('failure' in reply ? reply.failure : 'no masks came');
      for (const [i, { done }] of asked.entries()) done(reply.replies[i]);
    } catch (error) {
      for (const { done } of asked) done(error as Error);
    }
  }

  #ask(message: (id: number) => ToMaskWorker): Promise<FromMaskWorker> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended);
      const id = this.#nextId++;
      const late = () => this.end(new GrammarError(`it takes more than ${limitMs / 1000} s: simplify it`));
      this.#pending.set(id, { resolve, reject, timer: setTimeout(late, limitMs) });
      this.#worker.ref();
      this.#worker.postMessage(message(id));
    });
  }

  #take(reply: FromMaskWorker): void {
    const pending = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if (this.#pending.size === 0) this.#worker.unref();
    clearTimeout(pending?.timer);
    pending?.resolve(reply);
  }
}
