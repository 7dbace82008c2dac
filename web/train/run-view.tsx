// One run, past or live: head, curves, load, diagnosis, samples, records.
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import type { RunSummary } from '../../src/runs/protocol.ts';
import { ChartView } from './chart-view.tsx';
import { chartsOf } from './curves.ts';
import { Diagnosis } from './diagnosis.tsx';
import { LoadMap, loadsOf } from './load-map.tsx';
import { type AnyEvent, OpenRun } from './open-run.ts';
import { Records } from './records.tsx';
import { RunHead } from './run-head.tsx';
import { runList } from './run-list-store.ts';
import { isLive } from './run-state.ts';
import { Samples, samplesOf } from './samples.tsx';

function Curves({ run, events }: { readonly run: RunSummary; readonly events: readonly AnyEvent[] }) {
  const { kind } = run;
  const charts = useMemo(() => (kind === null ? [] : chartsOf(kind, events)), [kind, events]);
  const loads = useMemo(() => loadsOf(events), [events]);
  const [first, ...others] = charts;
  if (first === undefined) return <p class="quiet wide">Curves come with the first steps.</p>;
  return (
    <>
      <ChartView chart={first} />
      <LoadMap loads={loads} />
      {others.map((chart) => (
        <ChartView key={chart.id} chart={chart} />
      ))}
    </>
  );
}

/** What was heard last: of the run when it was read, of the list, of its events. */
function newest(run: RunSummary, listed: RunSummary | undefined, events: readonly AnyEvent[]): RunSummary {
  const later = listed !== undefined && (listed.updated ?? 0) >= (run.updated ?? 0) ? listed : run;
  const last = events.findLast(({ event }) => event === 'step');
  if (!isLive(later) || last?.event !== 'step' || last.time < (later.updated ?? 0)) return later;
  const { step, time: updated, secondsLeft } = last;
  return { ...later, state: later.state === 'preparing' ? 'running' : later.state, step, updated, secondsLeft };
}

function Opened({ open }: { readonly open: OpenRun }) {
  const detail = open.detail.value;
  const events = open.events.value;
  const samples = useMemo(() => samplesOf(events), [events]);
  if (detail === null)
    return (
      <p class="page-note quiet" role="status">
        {open.problem.value ?? 'Loading the run …'}
      </p>
    );
  const listed = runList.value?.runs.find(({ name }) => name === open.name);
  const run = newest(detail.run, listed, events);
  return (
    <article class="run">
      <RunHead open={open} run={run} events={events} />
      {open.problem.value !== null && (
        <p class="notice" role="alert">
          {open.problem.value}
        </p>
      )}
      {open.isLoaded.value && <Diagnosis run={run} events={events} />}
      <div class="run-parts">
        {open.isLoaded.value ? <Curves run={run} events={events} /> : <p class="quiet wide">Loading its events …</p>}
        <Samples samples={samples} />
        <Records detail={detail} />
      </div>
    </article>
  );
}

export function RunView({ name }: { readonly name: string }) {
  const open = useMemo(() => new OpenRun(name), [name]);
  const followed = useSignal(open);
  followed.value = open;
  useEffect(() => {
    void open.follow();
    return () => open.close();
  }, [open]);
  useSignalEffect(() => {
    const listed = runList.value?.runs.find((run) => run.name === followed.value.name);
    if (listed !== undefined && isLive(listed)) void followed.value.follow(); // it was resumed elsewhere
  });
  return <Opened open={open} />;
}
