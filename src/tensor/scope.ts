// Memory scopes: JavaScript has no destructors, so a loop opens a scope, and resources made inside are freed at its
// end.
//
// Contract: everything made inside a scope is freed when it ends, except what the body returns (in arrays, plain
// objects and Maps) and what was kept. Formulas never mention memory; loops do. A scope is synchronous, because between
// two awaits other work would make its tensors in a scope that is not its own: asyncScope takes the synchronous pieces
// as explicit calls instead. Left out: AsyncLocalStorage (Node only, and paid for by every op).
import { DeviceError } from '../kernels/index.ts';

/** A resource that a scope owns: a tensor, a tape, a pool. */
export abstract class Resource {
  /** Survives the scopes it was made in; its owner disposes it. */
  kept = false;

  constructor() {
    if (current !== null) current.add(this);
  }

  abstract dispose(): void;
}

class Scope {
  readonly outer: Scope | null;
  #resources: Resource[] = [];

  constructor(outer: Scope | null) {
    this.outer = outer;
  }

  add(resource: Resource): void {
    this.#resources.push(resource);
  }

  /** Frees everything except the contents of `result`, which the outer scope adopts. */
  close(result: unknown): void {
    const kept = new Set<unknown>();
    collect(result, kept);
    const resources = this.#resources;
    this.#resources = [];
    for (const resource of resources) {
      if (resource.kept) continue;
      if (!kept.has(resource)) resource.dispose();
      else this.outer?.add(resource);
    }
  }
}

let current: Scope | null = null;

function collect(value: unknown, kept: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || kept.has(value)) return;
  kept.add(value);
  if (value instanceof Resource) return;
  if (Array.isArray(value)) {
    for (const item of value) collect(item, kept);
  } else if (value instanceof Map) {
    for (const item of value.values()) collect(item, kept);
  } else {
    const prototype = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null)
      for (const item of Object.values(value)) collect(item, kept);
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

function within<T>(scope: Scope | null, body: () => T): T {
  const before = current;
  current = scope;
  try {
    return body();
  } finally {
    current = before;
  }
}

/**
 * Runs `body` and frees every tensor made inside, except those it returns or keeps. Scopes nest: what an inner scope
 * returns belongs to the outer one. Throws DeviceError when `body` is async: use asyncScope.
 */
export function scope<T>(body: () => T): T {
  const inner = new Scope(current);
  let result: T | undefined;
  try {
    result = within(inner, body);
    if (isThenable(result))
      throw new DeviceError(
        'scope',
        'the body returned a promise, but a scope ends when its body returns',
        'use asyncScope(async (inside) => ...) and make tensors within inside(() => ...)',
      );
    return result;
  } catch (error) {
    result = undefined;
    throw error;
  } finally {
    inner.close(result);
  }
}

/**
 * A scope that lasts over awaits: what is made within `inside(() => ...)` is freed when `body` ends, except what it
 * returns. Outside of `inside` an async body makes tensors in whatever scope is open then: make none there.
 * @example await asyncScope(async (inside) => (await inside(() => loss(batch)).read())[0])
 */
export async function asyncScope<T>(body: (inside: <R>(piece: () => R) => R) => Promise<T>): Promise<T> {
  const inner = new Scope(null);
  let result: T | undefined;
  try {
    result = await body((piece) => within(inner, piece));
    return result;
  } finally {
    inner.close(result);
  }
}

/** Runs `body` outside of every scope, for code that frees its own resources. */
export function unscoped<T>(body: () => T): T {
  return within(null, body);
}

/** Lets a tensor survive the scopes it was made in. Its owner disposes it. */
export function keep<T extends Resource>(resource: T): T {
  resource.kept = true;
  return resource;
}
