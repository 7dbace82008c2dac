// What the model wrote before and after: two samples side by side, each from a step of one's choice.
import { useState } from 'preact/hooks';
import type { AnyEvent } from '../../src/runs/protocol.ts';
import { Scroll } from './scroll.tsx';

/** Returns the events that hold a sample of the model's text. */
export function readSamples(events: readonly AnyEvent[]): AnyEvent[] {
  return events.filter(({ event }) => event === 'sampled');
}

interface SamplePanelProps {
  readonly name: string;
  readonly samples: readonly AnyEvent[];
  /** The sample that is shown until another one is chosen. */
  readonly initial: number;
}

function SamplePanel({ name, samples, initial }: SamplePanelProps) {
  const [chosen, setChosen] = useState<number | null>(null);
  const at = Math.min(chosen ?? initial, samples.length - 1);
  const { prompt, text, verdict } = samples[at] ?? {};
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
        <span class="quiet">{String(prompt)}</span>
        {String(text)}
      </Scroll>
      {verdict !== undefined && <p class="small quiet">Grader: {String(verdict)}</p>}
    </div>
  );
}

export function Samples({ samples }: { readonly samples: readonly AnyEvent[] }) {
  if (samples.length === 0) return null;
  return (
    <section class="card wide" aria-labelledby="samples-title" data-part="samples">
      <h3 id="samples-title">Samples</h3>
      <div class="samples">
        {samples.length > 1 && <SamplePanel name="Before" samples={samples} initial={0} />}
        <SamplePanel name={samples.length > 1 ? 'After' : 'So far'} samples={samples} initial={samples.length - 1} />
      </div>
    </section>
  );
}
