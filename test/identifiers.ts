// The identifiers of a TypeScript source, without those in comments, strings, and regular expressions.

/** Whether a slash after this text divides; otherwise it begins a regular expression. */
function isDivision(before: string): boolean {
  return /[\w$)\]}]\s*$/.test(before) && !/\b(return|typeof|case|in|of|do|else|void|yield|await)\s*$/.test(before);
}

const skipped = [/\/\/[^\n]*/y, /\/\*.*?\*\//sy, /'(?:\\.|[^'\\\n])*'/sy, /"(?:\\.|[^"\\\n])*"/sy];
const regularExpression = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/y;
const word = /[A-Za-z_$][\w$]*/y;

function matchAt(pattern: RegExp, source: string, at: number): string | null {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0] ?? null;
}

/** The index after a template's text that begins at `at`: behind the backtick, or behind the `${` of an expression. */
function afterTemplateText(source: string, at: number): { next: number; isOpen: boolean } {
  for (let i = at; i < source.length; i++) {
    if (source[i] === '\\') i++;
    else if (source[i] === '`') return { next: i + 1, isOpen: false };
    else if (source.startsWith('${', i)) return { next: i + 2, isOpen: true };
  }
  return { next: source.length, isOpen: false };
}

/** Every identifier and keyword in order of appearance, repetitions included. */
export function identifiers(source: string): string[] {
  const found: string[] = [];
  /** The depth of braces at which each open template continues. */
  const templates: number[] = [];
  let depth = 0;
  let previous = '';
  for (let at = 0; at < source.length; ) {
    const blank = skipped.map((pattern) => matchAt(pattern, source, at)).find((text) => text !== null);
    const name = blank ? null : matchAt(word, source, at);
    if (blank) at += blank.length;
    else if (name) {
      found.push(name);
      previous = name;
      at += name.length;
    } else if (source[at] === '`' || (source[at] === '}' && templates.at(-1) === depth)) {
      if (source[at] === '}') templates.pop();
      const { next, isOpen } = afterTemplateText(source, at + 1);
      if (isOpen) templates.push(depth);
      at = next;
    } else if (source[at] === '/' && !isDivision(previous)) {
      at += matchAt(regularExpression, source, at)?.length ?? 1;
    } else {
      previous = source[at];
      if (previous === '{') depth++;
      if (previous === '}') depth--;
      at++;
    }
  }
  return found;
}
