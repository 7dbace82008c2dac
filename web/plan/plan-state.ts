// The choices of the plan page, kept in its address, so that a link opens the same plan.
import { signal } from '@preact/signals';
import {
  type AssumptionName,
  assumptionNames,
  type ClaimName,
  claimNames,
  type WeightFormat,
} from '../../src/planner/index.ts';
import { goTo, route } from '../shell/route.ts';

export const weightFormats = ['bf16', 'fp8', 'f32'] as const satisfies readonly WeightFormat[];

export interface PlanState {
  readonly claim: ClaimName;
  readonly prices: 'launch' | 'today';
  /** Assumptions that were moved. */
  readonly own: Readonly<Partial<Record<AssumptionName, number>>>;
  /** A preset, or the text of a config.json. */
  readonly model: string;
  readonly tokens: string;
  readonly device: string;
  readonly devices: string;
  readonly context: string;
  readonly weights: WeightFormat;
  readonly input: string;
  readonly output: string;
  readonly hits: string;
  readonly acceptance: string;
  readonly api: string;
}

export const defaults: PlanState = {
  claim: 'deepseek-v3',
  prices: 'launch',
  own: {},
  model: 'moonlight-16b-a3b',
  tokens: '1T',
  device: 'h100',
  devices: '32',
  context: '4096',
  weights: 'bf16',
  input: '2000',
  output: '500',
  hits: '0',
  acceptance: '0',
  api: 'deepseek-v3',
};

const texts = [
  ...(['model', 'tokens', 'device', 'devices', 'context', 'weights'] as const),
  ...(['input', 'output', 'hits', 'acceptance', 'api'] as const),
];

/** What some words of an address may say. */
const choices = { claim: claimNames, prices: ['launch', 'today'], weights: weightFormats } as const;

const isChoice = (name: string): name is keyof typeof choices => Object.hasOwn(choices, name);

const isAssumption = (name: string): name is AssumptionName => (assumptionNames as readonly string[]).includes(name);

/** Returns why a word of an address cannot be used; null where it can. */
function refuse(name: string, value: string): string | null {
  if (isChoice(name)) {
    const options: readonly string[] = choices[name];
    const none = `${name}=${value} is none of ${options.join(', ')}; shown is ${defaults[name]}`;
    return options.includes(value) ? null : none;
  }
  if (isAssumption(name)) {
    const isAmount = value.trim() !== '' && Number.isFinite(Number(value)) && Number(value) >= 0;
    return isAmount ? null : `${name}=${value} is no number from 0; shown is the usual band`;
  }
  return (texts as readonly string[]).includes(name) ? null : `${name} is no choice of this page`;
}

interface Address {
  readonly state: PlanState;
  /** What it says and cannot be used, in words. */
  readonly refused: readonly string[];
}

/** Reads the state of an address; what it does not say, or says wrongly, is as in `defaults`. */
export function readState(id: string | null): Address {
  const words = [...new URLSearchParams(id ?? '')].map(([name, value]) => ({
    name,
    value,
    problem: refuse(name, value),
  }));
  const used = words.filter(({ problem }) => problem === null).map(({ name, value }) => [name, value] as const);
  const own = used.filter(([name]) => isAssumption(name)).map(([name, value]) => [name, Number(value)]);
  const given = used.filter(([name]) => !isAssumption(name));
  return {
    state: { ...defaults, ...(Object.fromEntries(given) as Partial<PlanState>), own: Object.fromEntries(own) },
    refused: words.flatMap(({ problem }) => problem ?? []),
  };
}

/** Returns the state as a part of an address: only what differs from `defaults`. */
export function writeState(state: PlanState): string | null {
  const words = new URLSearchParams();
  for (const name of ['claim', 'prices', ...texts] as const)
    if (state[name] !== defaults[name]) words.set(name, state[name]);
  for (const [name, value] of Object.entries(state.own)) words.set(name, String(value));
  const text = words.toString();
  return text === '' ? null : text;
}

const opened = readState(route.peek().page === 'plan' ? route.peek().id : null);
export const planState = signal(opened.state);
/** What the address that was opened says and cannot be used. */
export const refusedWords = signal(opened.refused);
route.subscribe(({ page, id }) => {
  if (page !== 'plan' || id === writeState(planState.peek())) return;
  const { state, refused } = readState(id);
  planState.value = state;
  refusedWords.value = refused;
});

/** Changes some of the choices, and the address. */
export function change(changes: Partial<PlanState>): void {
  planState.value = { ...planState.peek(), ...changes };
  refusedWords.value = [];
  goTo('plan', writeState(planState.peek()), true);
}
