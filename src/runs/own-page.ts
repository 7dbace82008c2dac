// Requests that change something come from this server's own page, or from a program that is no browser.
//
// The server's guard lets other pages in that were allowed to ask a model; training on this machine is not theirs.
// A form of a foreign page is refused by its Origin, and once more by what browsers say of where a request comes from.
import { ApiError } from '../server/index.ts';

const isJson = (type: string | null) => /^application\/json\b/i.test(type ?? '');

/** Throws ApiError 403 or 422. */
export function expectOwnPage(request: Request): void {
  const { headers } = request;
  const origin = headers.get('origin');
  const host = headers.get('host') ?? new URL(request.url).host;
  const isForeign = origin !== null && !(URL.canParse(origin) && new URL(origin).host === host.toLowerCase());
  const site = headers.get('sec-fetch-site');
  if (isForeign || (site !== null && site !== 'same-origin'))
    throw new ApiError(403, 'only pages of this server may start, stop or resume a run: open its own', {
      code: 'foreign_origin',
    });
  if (!isJson(headers.get('content-type'))) throw new ApiError(422, 'send the header "Content-Type: application/json"');
}
