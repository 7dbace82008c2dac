// Conversations in the browser's own database. They never leave this machine but as requests to the server.
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
  database ??= new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name, version);
    request.onupgradeneeded = () => request.result.createObjectStore(table, { keyPath: 'id' });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error('another tab holds an older form of the conversations: close it'));
  });
  return database;
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  return (await open()).transaction(table, mode).objectStore(table);
}

/** Resolves when a change is on disk: a page that is left between a request's success and its transaction's end undoes it. */
async function commit(by: (store: IDBObjectStore) => IDBRequest): Promise<void> {
  const { transaction } = by(await store('readwrite')).source as IDBObjectStore;
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

export async function readAll(): Promise<Conversation[]> {
  return requestResult((await store('readonly')).getAll() as IDBRequest<Conversation[]>);
}

export async function write(conversation: Conversation): Promise<void> {
  await commit((conversations) => conversations.put(conversation));
}

export async function erase(id: string): Promise<void> {
  await commit((conversations) => conversations.delete(id));
}
