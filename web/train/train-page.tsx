// The train page: a list of runs, one of them open. A chunk of its own, loaded when it is first opened.
import './train.css';
import './run.css';
import { useEffect } from 'preact/hooks';
import { KeyForm } from '../chat/key-form.tsx';
import { route, startId, toHash } from '../shell/route.ts';
import { RunItems } from './run-list.tsx';
import { listProblem, runList, showsRuns, watchList } from './run-list-store.ts';
import { RunView } from './run-view.tsx';
import { StartForm } from './start-form.tsx';

function Problem() {
  const problem = listProblem.value;
  if (problem === null) return null;
  if (problem.status === 401) return <KeyForm />;
  return (
    <p class="notice" role="alert">
      {problem.message}
    </p>
  );
}

function Absent() {
  return (
    <div class="page-note train-empty">
      <h1>No runs are shown here</h1>
      <p>
        This server was started without a folder of runs. Start it with <code>minke serve MODEL --runs runs</code>, or
        start <code>minke watch runs</code> without a model.
      </p>
    </div>
  );
}

function Empty() {
  return (
    <div class="page-note train-empty">
      <h1>Nothing has been trained here yet</h1>
      <p>
        Start a run and watch it learn: its loss, the load of its experts, what it writes. Pretraining a small base
        model takes a few minutes; reinforcement learning then teaches it to reason.
      </p>
      <a class="button primary" href={toHash('train', startId)}>
        Start a run
      </a>
      <p class="small quiet">
        Or in a terminal: <code>npx minke speedrun</code>. Runs in this folder appear here.
      </p>
    </div>
  );
}

export function TrainPage() {
  useEffect(watchList, []);
  const list = runList.value;
  const { id } = route.value;
  if (showsRuns.value === false) return <Absent />;
  if (list === null) return listProblem.value === null ? <p class="page-note quiet">Loading runs …</p> : <Problem />;
  if (list.runs.length === 0 && id === null) return <Empty />;
  return (
    <div class={`train ${id === null ? '' : 'has-open'}`}>
      <aside class="train-side" aria-label="Runs">
        <div class="train-side-head">
          <h2>Runs</h2>
          <a class="button compact" href={toHash('train', startId)} aria-current={id === startId || undefined}>
            Start a run
          </a>
        </div>
        <RunItems runs={list.runs} open={id} />
        <p class="small quiet train-folder" title={list.folder}>
          in {list.folder.split(/[\\/]/).at(-1)}
        </p>
      </aside>
      <div class="train-main">
        <Problem />
        {id === startId && <StartForm runs={list} />}
        {id === null && <p class="page-note quiet train-choose">Choose a run, or start one.</p>}
        {id !== null && id !== startId && <RunView key={id} name={id} />}
      </div>
    </div>
  );
}
