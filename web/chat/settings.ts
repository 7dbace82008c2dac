// The sampling settings, which are stored for the next visit. Empty fields are left to the server.
import { computed, signal } from '@preact/signals';
import type { ChatRequest } from '../../src/server/protocol.ts';
import { serverInfo } from '../api/server-info.ts';

export interface Settings {
  readonly model: string | null;
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number | null;
  readonly reasoningBudget: number | null;
  readonly seed: number | null;
  readonly system: string;
}

const storageKey = 'minke.settings';

/** What DeepSeek recommends for R1. */
export const defaultSettings: Settings = {
  model: null,
  temperature: 0.6,
  topP: 0.95,
  maxTokens: null,
  reasoningBudget: null,
  seed: null,
  system: '',
};

function readStored(): Settings {
  try {
    return { ...defaultSettings, ...(JSON.parse(localStorage.getItem(storageKey) ?? '{}') as Partial<Settings>) };
  } catch {
    return defaultSettings; // another program wrote the entry
  }
}

export const settings = signal<Settings>(readStored());

/** The chosen model, or the first one when it is not served; null: the models are not loaded yet. */
export const currentModel = computed(() => {
  const models = serverInfo.value?.models;
  return models?.find(({ id }) => id === settings.value.model) ?? models?.[0] ?? null;
});

export function updateSettings(part: Partial<Settings>): void {
  settings.value = { ...settings.peek(), ...part };
  localStorage.setItem(storageKey, JSON.stringify(settings.value));
}

/** Returns the fields of a request that the settings determine. */
export function requestFields(): Omit<ChatRequest, 'messages'> {
  const { temperature, topP, maxTokens, reasoningBudget, seed } = settings.peek();
  const model = currentModel.peek()?.id ?? null;
  return { model, temperature, top_p: topP, max_tokens: maxTokens, reasoning_budget: reasoningBudget, seed };
}
