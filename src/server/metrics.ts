// What happened, in Prometheus' text form: requests by route and status, how long answers took, and the engine's books.
import type { GenerationEnd, SpeculationStats, TextModel } from '../engine/index.ts';

const seconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;

class Histogram {
  readonly #counts = new Float64Array(seconds.length + 1);
  #sum = 0;

  add(value: number): void {
    const at = seconds.findIndex((bound) => value <= bound);
    this.#counts[at < 0 ? seconds.length : at] += 1;
    this.#sum += value;
  }

  lines(name: string, labels: string): string[] {
    let total = 0;
    const buckets = [...seconds, '+Inf'].map((bound, i) => {
      total += this.#counts[i];
      return `${name}_bucket{${labels},le="${bound}"} ${total}`;
    });
    return [...buckets, `${name}_sum{${labels}} ${this.#sum}`, `${name}_count{${labels}} ${total}`];
  }
}

const escaped = (value: string): string => value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n');

const gauges = [
  ['running', 'Sequences that run.'],
  ['waiting', 'Sequences that wait.'],
  ['blocksUsed', 'Blocks of the cache in use.'],
  ['blocksTotal', 'Blocks of the cache.'],
] as const;

const counters = [
  ['promptTokens', 'Tokens of prompts.'],
  ['cachedTokens', 'Of them, found in the prefix cache.'],
  ['completionTokens', 'Tokens generated.'],
  ['draftedTokens', 'Tokens drafted by multi-token prediction.'],
  ['acceptedTokens', 'Of them, accepted.'],
  ['preemptions', 'Sequences put aside for want of memory.'],
] as const;

/** Of models that make drafts; null: not measured yet. */
const drafting: readonly (readonly [string, 'gauge' | 'counter', string, (of: SpeculationStats) => number | null])[] = [
  ['minke_drafting', 'gauge', 'Whether drafts are on, which they are where they pay.', ({ isOn }) => Number(isOn)],
  ['minke_draft_acceptance', 'gauge', 'Share of drafts accepted of late.', ({ acceptance }) => acceptance],
  ['minke_draft_step_cost', 'gauge', 'Time of a step with drafts over one without.', ({ stepCost }) => stepCost],
  ['minke_draft_switches_total', 'counter', 'Times drafts were turned on or off.', ({ switches }) => switches],
];

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

interface Latencies {
  readonly first: Histogram;
  readonly total: Histogram;
}

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #times = new Map<string, Latencies>();

  /** `route` as it is declared, never what a client wrote. */
  countResponse(route: string, status: number): void {
    const key = `route="${route}",status="${status}"`;
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
  }

  observe(model: string, { firstTokenMs, totalMs, usage, finishReason }: GenerationEnd): void {
    if (finishReason !== 'stop' && finishReason !== 'length') return;
    const times = this.#times.get(model) ?? { first: new Histogram(), total: new Histogram() };
    this.#times.set(model, times);
    if (usage.completionTokens > 0) times.first.add(firstTokenMs / 1000);
    times.total.add(totalMs / 1000);
  }

  text(models: readonly TextModel[], live: number): string {
    const lines: string[] = [];
    const family = (name: string, type: string, help: string, values: readonly string[]): void => {
      if (values.length > 0) lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...values);
    };
    const requests = [...this.#requests].map(([labels, n]) => `minke_http_requests_total{${labels}} ${n}`);
    family('minke_http_requests_total', 'counter', 'Requests by route and status.', requests);
    family('minke_http_live', 'gauge', 'Requests being answered.', [`minke_http_live ${live}`]);
    const each = (name: string, of: (model: TextModel) => number) =>
      models.map((model) => `${name}{model="${escaped(model.name)}"} ${of(model)}`);
    for (const [field, help] of gauges)
      family(
        `minke_${snake(field)}`,
        'gauge',
        help,
        each(`minke_${snake(field)}`, ({ stats }) => stats[field]),
      );
    for (const [field, help] of counters) {
      const name = `minke_${snake(field)}_total`;
      family(
        name,
        'counter',
        help,
        each(name, ({ stats }) => stats[field]),
      );
    }
    for (const [name, type, help, of] of drafting) {
      const values = models.flatMap(({ name: model, stats: { speculation } }) => {
        const value = speculation && of(speculation);
        return value === null ? [] : [`${name}{model="${escaped(model)}"} ${value}`];
      });
      family(name, type, help, values);
    }
    const finished = models.flatMap(({ name, stats }) =>
      Object.entries(stats.requests).map(
        ([reason, n]) => `minke_generations_total{model="${escaped(name)}",finish_reason="${reason}"} ${n}`,
      ),
    );
    family('minke_generations_total', 'counter', 'Generations by how they ended.', finished);
    const histogram = (name: string, help: string, of: (times: Latencies) => Histogram) =>
      family(
        name,
        'histogram',
        help,
        [...this.#times].flatMap(([model, times]) => of(times).lines(name, `model="${escaped(model)}"`)),
      );
    histogram('minke_first_token_seconds', 'From the request to the first token.', ({ first }) => first);
    histogram('minke_generation_seconds', 'From the request to the end.', ({ total }) => total);
    return `${lines.join('\n')}\n`;
  }
}
