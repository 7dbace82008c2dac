// All conversations, and the open one: in memory as signals, in the browser's database after every change.
import { computed, effect, signal } from '@preact/signals';
import { goTo, route } from '../shell/route.ts';
import { type Conversation, newConversation, toTitle, withoutRunning } from './conversation.ts';
import { erase, readAll, write } from './storage.ts';

const all = signal<ReadonlyMap<string, Conversation>>(new Map());
/** Whether the database was read. */
export const isLoaded = signal(false);
/** Why conversations cannot be stored. */
export const storageProblem = signal<string | null>(null);

/** Most recent first. */
export const conversations = computed(() => [...all.value.values()].sort((a, b) => b.updatedAt - a.updatedAt));
export const openConversation = computed(() => {
  const { page, id } = route.value;
  return page === 'chat' && id !== null ? (all.value.get(id) ?? null) : null;
});

function reportProblem(error: unknown): void {
  const reason = error instanceof Error ? error.message : String(error);
  storageProblem.value = `Conversations cannot be stored: ${reason}`;
}

export async function loadConversations(): Promise<void> {
  if (isLoaded.value) return;
  const stored = await readAll().catch((error: unknown) => {
    reportProblem(error);
    return [];
  });
  const loaded = stored.map((conversation) => [conversation.id, withoutRunning(conversation)] as const);
  all.value = new Map([...loaded, ...all.value]);
  isLoaded.value = true;
}

// The address of a conversation that does not exist, such as a deleted one, leads to the empty page.
effect(() => {
  const { page, id } = route.value;
  if (isLoaded.value && page === 'chat' && id !== null && !all.value.has(id)) goTo('chat', null, true);
});

export function findConversation(id: string): Conversation | null {
  return all.peek().get(id) ?? null;
}

function save(conversation: Conversation): void {
  all.value = new Map(all.peek()).set(conversation.id, conversation);
  write(conversation).catch(reportProblem);
}

/** Changes a conversation if it still exists. `touch`: it becomes the most recent. */
export function update(id: string, change: (conversation: Conversation) => Conversation, touch = true): void {
  const conversation = all.peek().get(id);
  if (conversation === undefined) return;
  save({ ...change(conversation), ...(touch && { updatedAt: Date.now() }) });
}

/** Creates a conversation with a title from its first prompt, and opens it. */
export function createConversation(prompt: string): Conversation {
  const conversation = newConversation(toTitle(prompt));
  save(conversation);
  goTo('chat', conversation.id);
  return conversation;
}

export function rename(id: string, title: string): void {
  if (title.trim() !== '') update(id, (conversation) => ({ ...conversation, title: title.trim() }), false);
}

/** Deletes a conversation from the database first, so that it cannot come back to the list after a reload. */
export async function remove(id: string): Promise<void> {
  await erase(id).catch(reportProblem);
  const rest = new Map(all.peek());
  rest.delete(id);
  all.value = rest;
}
