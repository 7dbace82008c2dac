// What the server has: models, the tasks to try each on, and whether they read a whole conversation.
import { signal } from '@preact/signals';
import type { ModelList } from '../../src/server/protocol-responses.ts';
import type { TaskList, TaskSummary } from '../../src/server/protocol-tasks.ts';
import { getJson } from './http.ts';

export interface ServedModelInfo {
  readonly id: string;
  readonly contextLength: number;
  readonly tasks: readonly TaskSummary[];
}

export interface ServerInfo {
  readonly models: readonly [ServedModelInfo, ...ServedModelInfo[]];
  /** Whether the chat template shows only the last message to the model, as that of R1-Zero does. */
  readonly readsLastMessageOnly: boolean;
  /** Whether the model has no chat template: it completes texts and does not chat. */
  readonly isBase: boolean;
}

/** null: not loaded yet. */
export const serverInfo = signal<ServerInfo | null>(null);
/** Why it could not be loaded. */
export const serverProblem = signal<string | null>(null);

/** Loads the information; called again after a failure. */
export async function loadServerInfo(): Promise<void> {
  serverProblem.value = null;
  try {
    const { data } = await getJson<ModelList>('v1/models');
    const [first, ...others] = await Promise.all(
      data.map(async ({ id, max_model_len: contextLength }): Promise<ServedModelInfo> => {
        const { tasks } = await getJson<TaskList>(`minke/tasks?model=${encodeURIComponent(id)}`);
        return { id, contextLength, tasks };
      }),
    );
    if (first === undefined)
      throw new Error('This server shows training runs but serves no model: start minke serve MODEL to chat.');
    const { chat_template: template } = await getJson<{ chat_template: string | null }>('tokenizer_info');
    serverInfo.value = {
      models: [first, ...others],
      readsLastMessageOnly: template !== null && !/\bfor\b/.test(template),
      isBase: template === null,
    };
  } catch (error) {
    serverProblem.value = (error as Error).message;
  }
}
