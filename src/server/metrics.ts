// Metrics in the text format of Prometheus: requests by route and status, latencies, and the engine's statistics.
import type { EngineStats, GenerationEnd, TextModel } from '../engine/index.ts';

const bucketSeconds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;

class Histogram {
  readonly #counts = new Float64Array(bucketSeconds.length + 1);
  #sum = 0;

  add(seconds: number): void {
    const at = bucketSeconds.findIndex((bound) => seconds <= bound);
    this.#counts[at < 0 ? bucketSeconds.length : at] += 1;
    this.#sum += seconds;
  }

  lines(name: string, labels: string): string[] {
    let total = 0;
    const buckets = [...bucketSeconds, '+Inf'].map((bound, i) => {
      total += this.#counts[i];
      return `${name}_bucket{${labels},le="${bound}"} ${total}`;
    });
    return [...buckets, `${name}_sum{${labels}} ${this.#sum}`, `${name}_count{${labels}} ${total}`];
  }
}

const modelLabel = (name: string): string => `model="${name.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`;

type Row = readonly [name: string, help: string, read: (stats: EngineStats) => number | null | undefined];

/** null or undefined: the model makes no drafts, or nothing is measured yet. */
const gauges: readonly Row[] = [
  ['minke_running', 'Sequences that run.', ({ running }) => running],
  ['minke_waiting', 'Sequences that wait.', ({ waiting }) => waiting],
  ['minke_blocks_used', 'Blocks of the KV cache in use.', ({ blocksUsed }) => blocksUsed],
  ['minke_blocks', 'Blocks of the KV cache.', ({ blocksTotal }) => blocksTotal],
  ['minke_drafting', 'Whether drafting is on (1) or off (0).', ({ speculation }) => speculation && +speculation.isOn],
  [
    'minke_draft_acceptance',
    'Share of recent drafts that were accepted.',
    ({ speculation }) => speculation?.acceptance,
  ],
  [
    'minke_draft_step_cost',
    'Time of a step with drafts, relative to one without.',
    ({ speculation }) => speculation?.stepCost,
  ],
];

const counters: readonly Row[] = [
  ['minke_prompt_tokens_total', 'Prompt tokens.', ({ promptTokens }) => promptTokens],
  ['minke_cached_tokens_total', 'Prompt tokens found in the prefix cache.', ({ cachedTokens }) => cachedTokens],
  ['minke_completion_tokens_total', 'Generated tokens.', ({ completionTokens }) => completionTokens],
  ['minke_drafted_tokens_total', 'Tokens drafted by multi-token prediction.', ({ draftedTokens }) => draftedTokens],
  ['minke_accepted_tokens_total', 'Drafted tokens that were accepted.', ({ acceptedTokens }) => acceptedTokens],
  ['minke_preemptions_total', 'Sequences preempted for lack of memory.', ({ preemptions }) => preemptions],
  [
    'minke_draft_switches_total',
    'Times that drafting was turned on or off.',
    ({ speculation }) => speculation?.switches,
  ],
];

interface Latencies {
  readonly first: Histogram;
  readonly total: Histogram;
}

export class Metrics {
  readonly #requests = new Map<string, number>();
  readonly #latencies = new Map<string, Latencies>();

  /** `route` as it is declared, never what a client wrote. */
  countResponse(route: string, status: number): void {
    const labels = `route="${route}",status="${status}"`;
    this.#requests.set(labels, (this.#requests.get(labels) ?? 0) + 1);
  }

  /** Records how long a generation took. */
  observe(model: string, { firstTokenMs, totalMs, usage, finishReason }: GenerationEnd): void {
    if (finishReason !== 'stop' && finishReason !== 'length') return;
    const { first, total } = this.#latencies.get(model) ?? { first: new Histogram(), total: new Histogram() };
    this.#latencies.set(model, { first, total });
    if (usage.completionTokens > 0) first.add(firstTokenMs / 1000);
    total.add(totalMs / 1000);
  }

  /** Returns all metrics. `live`: requests in progress. */
  text(models: readonly TextModel[], live: number): string {
    const lines: string[] = [];
    const family = (name: string, type: string, help: string, samples: readonly string[]): void => {
      if (samples.length > 0) lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples);
    };
    const requests = [...this.#requests].map(([labels, count]) => `minke_http_requests_total{${labels}} ${count}`);
    family('minke_http_requests_total', 'counter', 'Requests by route and status.', requests);
    family('minke_http_live', 'gauge', 'Requests in progress.', [`minke_http_live ${live}`]);
    for (const [type, rows] of Object.entries({ gauge: gauges, counter: counters }))
      for (const [name, help, read] of rows) {
        const samples = models.flatMap((model) => {
          const value = read(model.stats) ?? null;
          return value === null ? [] : [`${name}{${modelLabel(model.name)}} ${value}`];
        });
        family(name, type, help, samples);
      }
    const generations = models.flatMap(({ name, stats }) =>
      Object.entries(stats.requests).map(
        ([reason, count]) => `minke_generations_total{${modelLabel(name)},finish_reason="${reason}"} ${count}`,
      ),
    );
    family('minke_generations_total', 'counter', 'Generations by finish reason.', generations);
    const histogram = (name: string, help: string, key: keyof Latencies) => {
      const samples = [...this.#latencies].flatMap(([model, each]) => each[key].lines(name, modelLabel(model)));
      family(name, 'histogram', help, samples);
    };
    histogram('minke_first_token_seconds', 'From the request to the first token.', 'first');
    histogram('minke_generation_seconds', 'From the request to the end.', 'total');
    return `${lines.join('\n')}\n`;
  }
}
