// Rows of the draws: vocabularies around vectors and pieces, every filter, ties, edits, and what is refused.
import { type Case, Random } from './case.ts';

const settings: Readonly<Record<string, readonly number[]>> = {
  greedy: [0, 0, 1, 0, 0.5],
  plain: [1, 0, 1, 0, 0.37],
  cold: [0.6, 0, 0.95, 0, 0.71],
  'top-k': [1.3, 7, 1, 0, 0.55],
  'top-k, top-p and min-p': [0.9, 40, 0.8, 0.05, 0.83],
  'min-p': [2, 0, 1, 0.2, 0.11],
  'the first': [1, 0, 1, 0, 0],
};

function draws(V: number, name: string, own: readonly number[], more: Partial<Case['args']> = {}, R = 3): Case {
  const random = new Random(V + own.length);
  return {
    kernel: 'sample_tokens',
    name: `${name}, [${R}, ${V}]`,
    args: {
      ...{
        logits: random.normals(R * V, 3),
        settings: Float32Array.from({ length: R * 5 }, (_, i) => own[i % 5] as number),
      },
      ...{ edit_start: new Int32Array(R + 1), edit_ids: new Int32Array(1), edit_scales: new Float32Array(1) },
      ...{ edit_adds: new Float32Array(1), work: new Float32Array(3 * R * V), tokens: new Int32Array(R) },
      ...{ logprobs: new Float32Array(R), R, V, M: 1 },
      ...more,
    },
    ignore: ['work'],
  };
}

const plain = [1, 5, 257, 4096].flatMap((V) => Object.entries(settings).map(([name, own]) => draws(V, name, own)));

const edits = {
  ...{ edit_start: Int32Array.of(0, 2, 2, 4), edit_ids: Int32Array.of(3, 9, 0, 256), M: 4 },
  edit_scales: Float32Array.of(1.3, 0.7, 1, 2),
  edit_adds: Float32Array.of(-1, 5, Number.NEGATIVE_INFINITY, 0.5),
};
const forced = { ...edits, edit_adds: Float32Array.of(-1, Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY) };
const ties = Float32Array.from({ length: 3 * 257 }, (_, i) => (i % 7 === 3 ? 2 : -1));
const broken = new Random(4).normals(3 * 257);
broken[300] = Number.NaN;

const odd: Case[] = [
  ...Object.entries(settings).map(([name, own]) => draws(257, `edited, ${name}`, own, edits)),
  draws(257, 'forced', settings.plain as number[], forced),
  ...Object.entries(settings).map(([name, own]) => draws(257, `ties, ${name}`, own, { logits: ties })),
  { ...draws(257, 'not a number', settings.plain as number[], { logits: broken }), fault: 'notFinite' },
  { ...draws(5, 'edit of no token', settings.plain as number[], { ...edits }), fault: 'indexOutOfRange' },
  { ...draws(257, 'edits that end early', settings.plain as number[], { ...edits, M: 3 }), fault: 'badOffsets' },
];

const lists = [
  [1, 1, 1],
  [3, 257, 5],
  [2, 4096, 20],
].flatMap(([R, V, N]): Case[] => {
  const logits = new Random(V as number).normals((R as number) * (V as number), 2);
  const sizes = { R: R as number, V: V as number };
  const [ids, logprobs] = [new Int32Array(sizes.R * (N as number)), new Float32Array(sizes.R * (N as number))];
  const name = `${N} of [${R}, ${V}]`;
  const targets = Int32Array.from({ length: sizes.R }, (_, r) => (r * 31) % sizes.V);
  return [
    { kernel: 'top_logprobs', name, args: { logits, ids, logprobs, ...sizes, N: N as number } },
    {
      kernel: 'target_logprobs',
      name,
      args: { logits, targets, logprobs: new Float32Array(sizes.R), ...sizes },
    },
  ];
});

export const sampling: readonly Case[] = [
  ...plain,
  ...odd,
  ...lists,
  {
    kernel: 'top_logprobs',
    name: 'ties: the lowest ids',
    args: { logits: ties, ids: new Int32Array(9), logprobs: new Float32Array(9), R: 3, V: 257, N: 3 },
  },
  {
    kernel: 'target_logprobs',
    name: 'no such token',
    args: { logits: ties, targets: Int32Array.of(0, 257, 1), logprobs: new Float32Array(3), R: 3, V: 257 },
    fault: 'indexOutOfRange',
  },
];
