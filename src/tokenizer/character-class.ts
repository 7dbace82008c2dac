// The class of a character as one byte of flags, in the categories that the regexes of pre-tokenizers distinguish.
//
// Contract: the flags equal the Unicode classes of this JavaScript engine, so hand-written scanners and regexes agree.
// The basic plane is filled at load (65,536 bytes), other planes in blocks of 256 when a text first needs them.

export const letter = 1; // \p{L}
export const mark = 2; // \p{M}
export const numeral = 4; // \p{N}
export const sign = 8; // \p{P} or \p{S}
export const space = 16; // \p{White_Space}, which is Oniguruma's \s
export const newline = 32; // \r or \n
export const cjk = 64; // the ranges that DeepSeek-V3 isolates
/** The character takes two code units. */
export const wide = 128;

const kinds: readonly (readonly [RegExp, number])[] = [
  [/\p{L}+/gu, letter],
  [/\p{M}+/gu, mark],
  [/\p{N}+/gu, numeral],
  [/[\p{P}\p{S}]+/gu, sign],
  [/\p{White_Space}+/gu, space],
  [/[\r\n]+/gu, newline],
  [/[一-龥぀-ゟ゠-ヿ]+/gu, cjk],
];

const plane = (() => {
  const flags = new Uint8Array(65536);
  // Surrogates are left out: they would form pairs and shift the rest. Lone ones have no flags.
  for (const [from, to] of [
    [0, 0xd800],
    [0xe000, 0x10000],
  ] as const) {
    let text = '';
    for (let at = from; at < to; at += 4096)
      text += String.fromCharCode(...Array.from({ length: Math.min(4096, to - at) }, (_, i) => at + i));
    for (const [pattern, flag] of kinds)
      for (const { 0: run, index } of text.matchAll(pattern))
        for (let i = 0; i < run.length; i++) flags[from + index + i] |= flag;
  }
  return flags;
})();

const blocks = new Map<number, Uint8Array>();

function kindOfPair(codePoint: number): number {
  const block = codePoint >> 8;
  let flags = blocks.get(block);
  if (flags === undefined) {
    flags = Uint8Array.from({ length: 256 }, (_, i) => {
      const char = String.fromCodePoint(256 * block + i);
      return kinds.reduce((sum, [pattern, flag]) => (char.search(pattern) === 0 ? sum | flag : sum), wide);
    });
    blocks.set(block, flags);
  }
  return flags[codePoint & 255];
}

/** Returns the flags of the character at `i`; units from `end` on are not looked at. */
export function kindAt(units: Uint16Array, i: number, end: number): number {
  const unit = units[i];
  if ((unit & 0xfc00) !== 0xd800 || i + 1 >= end) return plane[unit];
  const next = units[i + 1];
  if ((next & 0xfc00) !== 0xdc00) return 0;
  return kindOfPair(0x10000 + ((unit & 0x3ff) << 10) + (next & 0x3ff));
}
