// JSON responses that are written piece by piece: a large one neither blocks the event loop nor is in memory twice.

const encoder = new TextEncoder();
/** Characters that are written at once. */
const pieceLength = 65_536;
/** Milliseconds for which nobody else has a turn. */
const maxMs = 5;
/** Elements of a list that are turned into text at once. */
const sliceLength = 256;

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isDeep = (value: unknown): boolean => isObject(value) && Object.values(value).some(isObject);

/** Yields the text of a JSON value in pieces: small ones, however long its lists are. */
export function* jsonPieces(value: unknown): Generator<string, void, undefined> {
  if (Array.isArray(value)) {
    yield '[';
    for (let from = 0; from < value.length; from += sliceLength) {
      const slice = value.slice(from, from + sliceLength);
      if (from > 0) yield ',';
      if (slice.some(isDeep))
        for (const [i, each] of slice.entries()) {
          if (i > 0) yield ',';
          yield* jsonPieces(each);
        }
      else yield JSON.stringify(slice).slice(1, -1);
    }
    yield ']';
  } else if (isDeep(value)) {
    let separator = '{';
    for (const [name, each] of Object.entries(value as object)) {
      if (each === undefined) continue;
      yield `${separator}${JSON.stringify(name)}:`;
      yield* jsonPieces(each);
      separator = ',';
    }
    yield '}';
  } else yield JSON.stringify(value);
}

interface Piece {
  readonly text: string;
  readonly isLast: boolean;
}

/** Returns the next piece of the text: of about `pieceLength` characters, or what a few milliseconds make. */
function nextPiece(pieces: Iterator<string>): Piece {
  const end = performance.now() + maxMs;
  let text = '';
  while (text.length < pieceLength && performance.now() < end) {
    const { done, value } = pieces.next();
    if (done) return { text, isLast: true };
    text += value;
  }
  return { text, isLast: false };
}

/** Answers with JSON whose text is the pieces. Each is made when the client has read those before. */
export function jsonResponse(pieces: Iterator<string>): Response {
  let piece = nextPiece(pieces);
  const headers = { 'content-type': 'application/json' };
  if (piece.isLast) return new Response(piece.text, { headers });
  const source = {
    async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
      controller.enqueue(encoder.encode(piece.text));
      if (piece.isLast) controller.close();
      await new Promise((resolve) => setImmediate(resolve)); // others have their turn
      if (!piece.isLast) piece = nextPiece(pieces);
    },
  };
  return new Response(new ReadableStream<Uint8Array>(source, { highWaterMark: 0 }), { headers });
}
