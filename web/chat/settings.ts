// How answers are sampled: chosen once, kept for the next visit. Empty fields are left to the model.
import { signal } from '@preact/signals';
import type { ChatRequest } from '../../src/server/protocol.ts';

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

/** As DeepSeek recommends for R1. */
export const defaultSettings: Settings = {
  model: null,
  temperature: 0.6,
  topP: 0.95,
  maxTokens: null,
  reasoningBudget: null,
  seed: null,
  system: '',
};

function read(): Settings {
  try {
    return { ...defaultSettings, ...(JSON.parse(localStorage.getItem(storageKey) ?? '{}') as Partial<Settings>) };
  } catch {
    return defaultSettings; // somebody else wrote it
  }
}

export const settings = signal<Settings>(read());

export function updateSettings(part: Partial<Settings>): void {
  settings.value = { ...settings.peek(), ...part };
  localStorage.setItem(storageKey, JSON.stringify(settings.value));
}

export function samplingFields(): Pick<
  ChatRequest,
  'temperature' | 'top_p' | 'max_tokens' | 'reasoning_budget' | 'seed'
> {
  const { temperature, topP, maxTokens, reasoningBudget, seed } = settings.peek();
  return {
    temperature,
    top_p: topP,
    ...(maxTokens !== null && { max_tokens: maxTokens }),
    ...(reasoningBudget !== null && { reasoning_budget: reasoningBudget }),
    ...(seed !== null && { seed }),
  };
}
