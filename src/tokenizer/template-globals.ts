// The names that every chat template knows, as in @huggingface/jinja, but with a limit for range: a list of a billion
// numbers ends the process.

const maxRange = 100_000;

function range(first: number, last?: number, step = 1): number[] {
  const [start, stop] = last === undefined ? [0, first] : [first, last];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= maxRange)) throw new Error(`range of more than ${maxRange} numbers`);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

function raiseException(message: string): never {
  throw new Error(message);
}

/** Formats the local time like Python's strftime; other directives than these stay as they are. */
function formatNow(format: string): string {
  const now = new Date();
  const two = (value: number) => `${value}`.padStart(2, '0');
  const month = (width: 'long' | 'short') => new Intl.DateTimeFormat(undefined, { month: width }).format(now);
  const directives: Readonly<Record<string, () => string>> = {
    Y: () => `${now.getFullYear()}`,
    m: () => two(now.getMonth() + 1),
    d: () => two(now.getDate()),
    b: () => month('short'),
    B: () => month('long'),
    H: () => two(now.getHours()),
    M: () => two(now.getMinutes()),
    '%': () => '%',
  };
  return format.replace(/%([YmdbBHM%])/g, (_, name: string) => directives[name]());
}

export const templateGlobals: Readonly<Record<string, unknown>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  raise_exception: raiseException,
  range,
  strftime_now: formatNow,
};
