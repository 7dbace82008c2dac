// What the server has: models, and whether they read a whole conversation. Asked once, and again when that failed.
import { signal } from '@preact/signals';
import type { ModelList } from '../../src/server/protocol-responses.ts';
import type { TaskList, TaskSummary } from '../../src/server/protocol-tasks.ts';
import { getJson } from './http.ts';

export interface ServerInfo {
  readonly models: readonly { readonly id: string; readonly contextLength: number }[];
  readonly tasks: readonly TaskSummary[];
  /** The model's template puts the last message alone before it, as that of R1-Zero does. */
  readonly readsLastMessageOnly: boolean;
  /** It has no template: it goes on with texts, and does not chat. */
  readonly isBase: boolean;
}

/** null: not there yet. */
export const serverInfo = signal<ServerInfo | null>(null);
/** Why they are not there. */
export const serverProblem = signal<string | null>(null);

const noModel = 'No model is served here, only training runs: start minke serve with one to talk to it.';

export async function loadServerInfo(): Promise<void> {
  serverProblem.value = null;
  try {
    const models = await getJson<ModelList>('v1/models');
    if (models.data.length === 0) throw new Error(noModel);
    const [tasks, tokenizer] = await Promise.all([
      getJson<TaskList>('minke/tasks'),
      getJson<{ chat_template: string | null }>('tokenizer_info'),
    ]);
    const template = tokenizer.chat_template;
    serverInfo.value = {
      models: models.data.map(({ id, max_model_len }) => ({ id, contextLength: max_model_len })),
      tasks: tasks.tasks,
      readsLastMessageOnly: template !== null && !/\bfor\b/.test(template),
      isBase: template === null,
    };
  } catch (error) {
    serverProblem.value = (error as Error).message;
  }
}
