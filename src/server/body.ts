// Reads the JSON body of a request: limited in size while it arrives, valid UTF-8, and not too deeply nested.
import { nestingDepth } from '../files/index.ts';
import { ApiError } from './errors.ts';

const maxDepth = 64;

async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const tooLarge = () =>
    new ApiError(413, `the body is larger than ${limit} bytes: send less, or raise the limit of the server`);
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge();
  if (request.body === null) return new Uint8Array(0);
  const reader = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch(() => {
      throw new ApiError(400, 'the body is incomplete: send all of it');
    });
    if (done) return chunks.length === 1 ? chunks[0] : new Uint8Array(Buffer.concat(chunks));
    length += value.byteLength;
    chunks.push(value);
    if (length <= limit) continue;
    reader.cancel().catch(() => {});
    throw tooLarge();
  }
}

/** Returns the parsed body, of at most `limit` bytes. Throws ApiError 400 or 413. */
export async function readJson(request: Request, limit: number): Promise<unknown> {
  const bytes = await readBytes(request, limit);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ApiError(400, 'the body is not valid UTF-8: encode it as UTF-8', { code: 'invalid_utf8' });
  }
  if (nestingDepth(text) > maxDepth)
    throw new ApiError(400, `the body is nested deeper than ${maxDepth} levels: flatten it`, { code: 'invalid_json' });
  try {
    return JSON.parse(text);
  } catch (error) {
    const problem = text.trim() === '' ? 'the body is empty: send a JSON object' : (error as Error).message;
    throw new ApiError(400, `the body is not JSON: ${problem.slice(0, 200)}`, { code: 'invalid_json' });
  }
}
