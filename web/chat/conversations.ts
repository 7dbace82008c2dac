// The conversations that there are, and which one is open: in memory as signals, on disk after every change.
import { computed, effect, signal } from '@preact/signals';
import { goTo, route } from '../shell/route.ts';
import { type Conversation, newConversation, toTitle, withoutRunning } from './conversation.ts';
import { erase, readAll, write } from './storage.ts';

const all = signal<ReadonlyMap<string, Conversation>>(new Map());
/** Whether the database was read. */
export const isLoaded = signal(false);
/** Why conversations are not kept. */
export const storageProblem = signal<string | null>(null);

/** The latest first. */
export const conversations = computed(() => [...all.value.values()].sort((a, b) => b.updatedAt - a.updatedAt));
export const openConversation = computed(() => {
  const { page, id } = route.value;
  return page === 'chat' && id !== null ? (all.value.get(id) ?? null) : null;
});

function reportProblem(error: unknown): void {
  storageProblem.value = `Conversations are not kept: ${error instanceof Error ? error.message : String(error)}`;
}

export async function loadConversations(): Promise<void> {
  if (isLoaded.value) return;
  const kept = await readAll().catch((error: unknown) => {
    reportProblem(error);
    return [];
  });
  const loaded = kept.map((conversation) => [conversation.id, withoutRunning(conversation)] as const);
  all.value = new Map([...loaded, ...all.value]);
  isLoaded.value = true;
}

/** A conversation that is not there, as one that was erased, is left. */
effect(() => {
  const { page, id } = route.value;
  if (isLoaded.value && page === 'chat' && id !== null && !all.value.has(id)) goTo('chat', null, true);
});

export function findConversation(id: string): Conversation | null {
  return all.peek().get(id) ?? null;
}

export function save(conversation: Conversation): void {
  all.value = new Map(all.peek()).set(conversation.id, conversation);
  write(conversation).catch(reportProblem);
}

/** Changes a conversation that is still there. `touch`: it counts as the latest. */
export function update(id: string, by: (conversation: Conversation) => Conversation, touch = true): void {
  const conversation = all.peek().get(id);
  if (conversation === undefined) return;
  save({ ...by(conversation), ...(touch && { updatedAt: Date.now() }) });
}

export function createConversation(prompt: string): Conversation {
  const conversation = newConversation(toTitle(prompt));
  save(conversation);
  goTo('chat', conversation.id);
  return conversation;
}

export function rename(id: string, title: string): void {
  if (title.trim() !== '') update(id, (conversation) => ({ ...conversation, title: title.trim() }), false);
}

/** It leaves the list when it has left the disk, so that nobody sees it gone and finds it again after a reload. */
export async function remove(id: string): Promise<void> {
  await erase(id).catch(reportProblem);
  const rest = new Map(all.peek());
  rest.delete(id);
  all.value = rest;
}
