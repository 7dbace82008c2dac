// Responses kept in memory, so that a later request can continue them: the newest ones, each for its own key.
import { ApiError } from '../errors.ts';
import type { ResponseItem, Response as ResponseObject } from './responses-protocol.ts';

const maxResponses = 1024;
/** Characters of JSON of all kept responses. */
const maxLength = 2 ** 26;

interface Kept {
  readonly scope: string;
  /** All items of the conversation, those of the answer last. */
  readonly items: readonly ResponseItem[];
  readonly response: ResponseObject;
  readonly length: number;
}

export class ResponseStore {
  readonly #kept = new Map<string, Kept>();
  #length = 0;

  /** Keeps a response; the oldest ones give way. */
  add(scope: string, items: readonly ResponseItem[], response: ResponseObject): void {
    const length = JSON.stringify(items).length + JSON.stringify(response).length;
    this.#kept.set(response.id, { scope, items, response, length });
    this.#length += length;
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= maxResponses && this.#length <= maxLength) break;
      this.#remove(id);
    }
  }

  /** Throws ApiError 404 for one that is not kept, or that another key asked for. */
  find(scope: string, id: string, param: string | null): Kept {
    const found = this.#kept.get(id);
    if (found?.scope === scope) return found;
    throw new ApiError(404, `response ${JSON.stringify(id)} is not kept: send the whole conversation as input`, {
      param,
      code: 'previous_response_not_found',
    });
  }

  /** Returns an item of a kept answer. Throws ApiError 404. */
  findItem(scope: string, id: string, param: string): ResponseItem {
    for (const { scope: own, items } of [...this.#kept.values()].reverse())
      if (own === scope) {
        const found = items.find((item) => item.id === id && item.type !== 'item_reference');
        if (found !== undefined) return found;
      }
    throw new ApiError(404, `${param}: item ${JSON.stringify(id)} is not kept: send the item itself`, { param });
  }

  delete(scope: string, id: string): void {
    this.find(scope, id, null);
    this.#remove(id);
  }

  #remove(id: string): void {
    this.#length -= this.#kept.get(id)?.length ?? 0;
    this.#kept.delete(id);
  }
}
