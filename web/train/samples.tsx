// What the model wrote before and after: two samples side by side, each of any step.
import { useState } from 'preact/hooks';
import type { AnyEvent } from './open-run.ts';
import { Scroll } from './scroll.tsx';

interface Sample {
  readonly step: number;
  readonly prompt: string;
  readonly text: string;
  /** Of a task's grader. */
  readonly verdict?: string;
  readonly reward?: number;
}

export function samplesOf(events: readonly AnyEvent[]): Sample[] {
  return events.flatMap((event) => (event.event === 'sampled' ? [event] : []));
}

interface PanelProps {
  readonly name: string;
  readonly samples: readonly Sample[];
  /** Where none was chosen. */
  readonly usual: number;
}

function Panel({ name, samples, usual }: PanelProps) {
  const [chosen, setChosen] = useState<number | null>(null);
  const at = Math.min(chosen ?? usual, samples.length - 1);
  const { prompt, text, verdict } = samples[at];
  return (
    <div class="sample">
      <label class="sample-head">
        <span>{name}</span>
        <select class="input compact" value={at} onChange={(event) => setChosen(Number(event.currentTarget.value))}>
          {samples.map(({ step }, i) => (
            <option key={`${step} ${i}`} value={i}>
              step {step}
            </option>
          ))}
        </select>
      </label>
      <Scroll name={`${name}: what the model wrote`} isText>
        <span class="quiet">{prompt}</span>
        {text}
      </Scroll>
      {verdict !== undefined && <p class="small quiet">The grader: {verdict}</p>}
    </div>
  );
}

export function Samples({ samples }: { readonly samples: readonly Sample[] }) {
  if (samples.length === 0) return null;
  return (
    <section class="card wide" aria-labelledby="samples-title" data-part="samples">
      <h3 id="samples-title">Samples</h3>
      <div class="samples">
        {samples.length > 1 && <Panel name="Before" samples={samples} usual={0} />}
        <Panel name={samples.length > 1 ? 'After' : 'So far'} samples={samples} usual={samples.length - 1} />
      </div>
    </section>
  );
}
