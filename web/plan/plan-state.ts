// The choices of the plan page, kept in its address, so that a link opens the same plan.
import { signal } from '@preact/signals';
import { type AssumptionName, assumptionNames, type ClaimName, claimNames } from '../../src/planner/index.ts';
import { goTo, route } from '../shell/route.ts';

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
  readonly weights: string;
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

/** Reads the state of an address; what it does not say, or says wrongly, is as in `defaults`. */
export function readState(id: string | null): PlanState {
  const words = new URLSearchParams(id ?? '');
  const claim = words.get('claim') as ClaimName;
  const own: Partial<Record<AssumptionName, number>> = {};
  for (const name of assumptionNames) {
    const value = Number(words.get(name) ?? Number.NaN);
    if (Number.isFinite(value) && value >= 0) own[name] = value;
  }
  const given = texts.map((name) => [name, words.get(name) ?? defaults[name]] as const);
  return {
    ...defaults,
    ...(Object.fromEntries(given) as Partial<PlanState>),
    claim: claimNames.includes(claim) ? claim : defaults.claim,
    prices: words.get('prices') === 'today' ? 'today' : 'launch',
    own,
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

export const planState = signal(readState(route.peek().page === 'plan' ? route.peek().id : null));
route.subscribe(({ page, id }) => {
  if (page === 'plan' && id !== writeState(planState.peek())) planState.value = readState(id);
});

/** Changes some of the choices, and the address. */
export function change(changes: Partial<PlanState>): void {
  planState.value = { ...planState.peek(), ...changes };
  goTo('plan', writeState(planState.peek()), true);
}
