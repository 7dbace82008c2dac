// The merges of a vocabulary that has none, only an order of its tokens: SentencePiece's scores, tiktoken's ranks.
//
// Two neighbors may merge where the result is a token, and the first token in the order comes first. That is BPE with
// every way to put a token together as a merge; among those of one token the longest left part is first. Source:
// generate_merges of github.com/huggingface/transformers.

/** Returns the merges [left, right] of tokens, which are given in their order, the first to be merged first. */
export function deriveMerges(tokens: readonly string[]): [left: string, right: string][] {
  const known = new Set(tokens);
  const merges: [string, string][] = [];
  for (const token of tokens)
    for (let at = token.length - 1; at > 0; at--) {
      const left = token.slice(0, at);
      if (!known.has(left)) continue;
      const right = token.slice(at);
      if (known.has(right)) merges.push([left, right]);
    }
  return merges;
}
