// Published figures of training runs, and what they leave out as assumptions: bands that anyone may replace.
import type { Band } from './band.ts';

export interface ClaimPart {
  readonly name: string;
  /** Hours of devices. */
  readonly hours: number;
  /** Significant digits of the hours as they were published. */
  readonly digits: number;
  readonly source: string;
}

export interface ClaimData {
  readonly title: string;
  readonly preset: string;
  /** The device of the run; `standIn`: one whose rent is known today. */
  readonly device: string;
  readonly standIn: string;
  /** When it was published. */
  readonly date: string;
  readonly parts: readonly ClaimPart[];
  /** USD for an hour of a device, as the publisher assumes, or as we do where none is stated. */
  readonly price: { readonly value: number; readonly source: string };
  /** Devices of the cluster. */
  readonly devices: number;
  /** Pretraining, where the claim has one. */
  readonly pretraining: {
    readonly tokens: number;
    readonly context: number;
    /** Tokens of a day on `devices`, as published; null: not published. */
    readonly tokensPerDay: { readonly value: number; readonly devices: number; readonly source: string } | null;
    /** FLOPs as published; null: 6 x active parameters x tokens. */
    readonly flops: { readonly value: number; readonly source: string } | null;
    /** Active parameters as published, for 6ND. */
    readonly active: number;
  } | null;
  /** The claim whose model it begins from. */
  readonly base: string | null;
  /** Days on some devices that were published beside the hours. */
  readonly note: string;
}

const v3 = 'DeepSeek-V3 report, table 1';
const r1 = 'R1 report (Nature version), supplementary table 7';

export const claims = {
  'deepseek-v3': {
    title: 'DeepSeek-V3',
    preset: 'deepseek-v3',
    device: 'h800',
    standIn: 'h100',
    date: '2024-12-26',
    parts: [
      { name: 'pretraining', hours: 2_664_000, digits: 4, source: v3 },
      { name: 'context extension', hours: 119_000, digits: 3, source: v3 },
      { name: 'post-training', hours: 5_000, digits: 1, source: v3 },
    ],
    price: { value: 2, source: `${v3}: an assumption of the authors` },
    devices: 2048,
    pretraining: {
      tokens: 14.8e12,
      context: 4096,
      tokensPerDay: { value: 272.8e9, devices: 2048, source: 'Insights into DeepSeek-V3 (arXiv 2505.09343), table 4' },
      flops: null,
      active: 37e9,
    },
    base: null,
    note: 'The report says that the sum leaves out earlier research and ablations.',
  },
  'deepseek-r1': {
    title: 'DeepSeek-R1',
    preset: 'deepseek-v3',
    device: 'h800',
    standIn: 'h100',
    date: '2025-09-17',
    parts: [
      { name: 'R1-Zero', hours: 101_000, digits: 3, source: r1 },
      { name: 'data for fine-tuning', hours: 5_000, digits: 1, source: r1 },
      { name: 'R1', hours: 41_000, digits: 2, source: r1 },
    ],
    price: { value: 2, source: `${r1}: an assumption of the authors` },
    devices: 512,
    pretraining: null,
    base: 'deepseek-v3',
    note: 'The figure is what R1 adds to the base, DeepSeek-V3.',
  },
  'llama-3.1-405b': {
    title: 'Llama 3.1 405B',
    preset: 'llama-3.1-405b',
    device: 'h100',
    standIn: 'h100',
    date: '2024-07-23',
    parts: [{ name: 'pretraining', hours: 30_840_000, digits: 4, source: 'model card of Llama 3.1' }],
    price: { value: 2, source: 'the price of the V3 report, for comparison; Meta states none' },
    devices: 16384,
    pretraining: {
      tokens: 15.6e12,
      context: 8192,
      tokensPerDay: null,
      flops: { value: 3.8e25, source: 'The Llama 3 Herd of Models, section 3' },
      active: 405e9,
    },
    base: null,
    note: 'Meta publishes hours and no price.',
  },
} as const satisfies Readonly<Record<string, ClaimData>>;

export type ClaimName = keyof typeof claims;
export const claimNames = Object.keys(claims) as ClaimName[];

export interface Assumption {
  readonly name: string;
  readonly unit: string;
  readonly band: Band;
  readonly about: string;
}

/** What published figures leave out. No source states these; each is a guess of this program, to be replaced. */
export const assumptions = {
  ablations: {
    name: 'ablations and research runs, in final runs',
    unit: '',
    band: { low: 0.5, middle: 1, high: 3 },
    about: 'compute of smaller runs before the final one; no laboratory publishes it',
  },
  failures: {
    name: 'failed and repeated runs, in final runs',
    unit: '',
    band: { low: 0.02, middle: 0.1, high: 0.3 },
    about: 'V3 reports no rollback; restarts and debugging remain',
  },
  utilization: {
    name: 'share of rented hours that work',
    unit: 'share',
    band: { low: 0.7, middle: 0.85, high: 0.97 },
    about: 'a cluster is paid for while it waits',
  },
  teachers: {
    name: 'teachers and their tokens',
    unit: 'USD',
    band: { low: 5e4, middle: 3e5, high: 3e6 },
    about: 'models and APIs that wrote training data; V3 learned from a model of the R1 series',
  },
  data: {
    name: 'data: collection, licenses, labels',
    unit: 'USD',
    band: { low: 1e6, middle: 5e6, high: 3e7 },
    about: 'crawling, cleaning, licensing, and people who label',
  },
  people: {
    name: 'person-years',
    unit: '',
    band: { low: 50, middle: 150, high: 300 },
    about: 'the V3 report names about 200 authors and contributors',
  },
  salary: {
    name: 'cost of a person-year',
    unit: 'USD',
    band: { low: 1e5, middle: 2e5, high: 4e5 },
    about: 'salary with everything around it',
  },
  network: {
    name: 'network and storage, as a share of the devices',
    unit: 'share',
    band: { low: 0.1, middle: 0.2, high: 0.4 },
    about: 'what a cluster costs beside its devices',
  },
} as const satisfies Readonly<Record<string, Assumption>>;

export type AssumptionName = keyof typeof assumptions;
export const assumptionNames = Object.keys(assumptions) as AssumptionName[];
