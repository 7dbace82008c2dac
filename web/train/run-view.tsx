// One run, past or live: head, charts, load, diagnosis, samples, records.
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo } from 'preact/hooks';
import { numberIn, toChartData } from '../../src/runs/chart-data.ts';
import type { AnyEvent, RunSummary } from '../../src/runs/protocol.ts';
import { ChartView } from './chart-view.tsx';
import { Diagnosis } from './diagnosis.tsx';
import { LoadMap, readLoads } from './load-map.tsx';
import { OpenRun } from './open-run.ts';
import { Records } from './records.tsx';
import { RunHead } from './run-head.tsx';
import { findKind, runList } from './run-list-store.ts';
import { isLive } from './run-state.tsx';
import { readSamples, Samples } from './samples.tsx';

function Charts({ run, events }: { readonly run: RunSummary; readonly events: readonly AnyEvent[] }) {
  const kind = findKind(run.kind);
  const charts = useMemo(() => toChartData(kind?.charts ?? [], events), [kind, events]);
  const loads = useMemo(() => readLoads(events), [events]);
  const [first, ...others] = charts;
  if (first === undefined) return <p class="quiet wide">Charts appear with the first steps.</p>;
  const isOdd = charts.filter(({ isWide }) => !isWide).length % 2 === 1; // narrow charts stand in pairs
  return (
    <>
      <ChartView chart={first} />
      <LoadMap loads={loads} />
      {others.map((chart) => (
        <ChartView key={chart.id} chart={isOdd && chart === others.at(-1) ? { ...chart, isWide: true } : chart} />
      ))}
    </>
  );
}

/** Returns the newest state of a run: as it was read, as it is listed, or as its events tell. */
function newestState(run: RunSummary, listed: RunSummary | undefined, events: readonly AnyEvent[]): RunSummary {
  const later = listed !== undefined && (listed.updated ?? 0) >= (run.updated ?? 0) ? listed : run;
  const last = events.findLast(({ event }) => event === 'step');
  if (!isLive(later) || last === undefined || last.time < (later.updated ?? 0)) return later;
  const { step = later.step, time: updated } = last;
  const state = later.state === 'preparing' ? 'running' : later.state;
  return { ...later, state, step, updated, secondsLeft: numberIn(last, 'secondsLeft') };
}

function OpenedRun({ open }: { readonly open: OpenRun }) {
  const detail = open.detail.value;
  const events = open.events.value;
  const samples = useMemo(() => readSamples(events), [events]);
  if (detail === null)
    return (
      <p class="page-note quiet" role="status">
        {open.problem.value ?? 'Loading the run …'}
      </p>
    );
  const listed = runList.value?.runs.find(({ name }) => name === open.name);
  const run = newestState(detail.run, listed, events);
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
        {open.isLoaded.value ? <Charts run={run} events={events} /> : <p class="quiet wide">Loading its events …</p>}
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
  return <OpenedRun open={open} />;
}
