// Conversations in the browser's database. They leave this machine only as requests to the server.
import type { Conversation } from './conversation.ts';

const [name, version, table] = ['minke', 1, 'conversations'] as const;

function requestResult<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

let database: Promise<IDBDatabase> | null = null;

function open(): Promise<IDBDatabase> {
  if (database !== null) return database;
  const request = indexedDB.open(name, version);
  request.onupgradeneeded = () => request.result.createObjectStore(table, { keyPath: 'id' });
  const blocked = new Promise<never>((_, reject) => {
    request.onblocked = () => reject(new Error('another tab uses an older version of the database: close that tab'));
  });
  database = Promise.race([requestResult(request), blocked]);
  return database;
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  return (await open()).transaction(table, mode).objectStore(table);
}

/** Resolves when the transaction is complete: leaving the page between a request's success and that would undo it. */
async function commit(change: (store: IDBObjectStore) => IDBRequest): Promise<void> {
  const conversations = await store('readwrite');
  change(conversations);
  return new Promise((resolve, reject) => {
    conversations.transaction.oncomplete = () => resolve();
    conversations.transaction.onabort = () => reject(conversations.transaction.error);
  });
}

export async function readAll(): Promise<Conversation[]> {
  return requestResult<Conversation[]>((await store('readonly')).getAll());
}

export function write(conversation: Conversation): Promise<void> {
  return commit((conversations) => conversations.put(conversation));
}

export function erase(id: string): Promise<void> {
  return commit((conversations) => conversations.delete(id));
}
