// A task to try: a problem that one click asks, a button that draws another, a choice of levels.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { TaskSummary } from '../../src/server/protocol-tasks.ts';
import { drawProblem } from '../api/tasks.ts';
import { Icon } from '../shell/icon.tsx';
import { Notice } from '../shell/notice.tsx';
import { send } from './answering.ts';

/** The current problem of a task, at first its example; `draw` replaces it by a new one. */
function useProblem({ name, difficulty, levels, example }: TaskSummary) {
  const [problem, setProblem] = useState(example);
  const standard = levels.includes(difficulty.default) ? difficulty.default : levels[0];
  const [level, setLevel] = useState(example?.difficulty ?? standard);
  const [error, setError] = useState<string | null>(null);
  const draws = useRef(0);
  const draw = async (newLevel: number) => {
    const own = ++draws.current;
    setLevel(newLevel);
    try {
      const drawn = await drawProblem({ task: name, difficulty: newLevel });
      if (own !== draws.current) return; // a later draw is under way
      setProblem(drawn);
      setError(null);
    } catch (reason) {
      if (own === draws.current) setError((reason as Error).message);
    }
  };
  useEffect(() => {
    if (problem === null) void draw(level);
  }, []);
  return { problem, level, error, draw };
}

export function TaskCard({ task }: { readonly task: TaskSummary }) {
  const { name, description, levels } = task;
  const { problem, level, error, draw } = useProblem(task);
  const prompt = problem?.problem.prompt;
  return (
    <li class="card task-card">
      <h3>{name.slice(0, 1).toUpperCase() + name.slice(1)}</h3>
      <p class="quiet small">{description}</p>
      <button
        type="button"
        class="button task-problem"
        disabled={prompt === undefined}
        onClick={() => prompt !== undefined && void send(null, prompt, problem)}
      >
        {prompt ?? '…'}
      </button>
      <div class="task-foot">
        <label class="small quiet">
          Level{' '}
          <select
            value={level}
            onChange={(event) => void draw(Number(event.currentTarget.value))}
            aria-label={`Level of ${name}`}
          >
            {levels.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <button
          type="button"
          class="button compact quiet"
          aria-label={`Another ${name} problem`}
          onClick={() => void draw(level)}
        >
          <Icon name="again" />
          Another
        </button>
      </div>
      {error !== null && <Notice message={error} look="small" />}
    </li>
  );
}
