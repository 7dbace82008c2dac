// A task to try: a problem that one click asks, another one, a harder one.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { TaskSummary } from '../../src/server/protocol-tasks.ts';
import { drawProblem } from '../api/tasks.ts';
import { Icon } from '../shell/icon.tsx';
import { send } from './answering.ts';

/** Shown first, because people know it. */
const known: Readonly<Record<string, { readonly difficulty: number; readonly prompt: string }>> = {
  countdown: { difficulty: 4, prompt: 'Make 24 from 3, 7, 8, 9.' },
};

const capital = (word: string): string => word.slice(0, 1).toUpperCase() + word.slice(1);

interface LevelProps {
  readonly task: TaskSummary;
  readonly level: number;
  readonly onLevel: (level: number) => void;
}

function Level({ task, level, onLevel }: LevelProps) {
  const { from, to } = task.difficulty;
  return (
    <label class="small quiet">
      Level{' '}
      <select
        value={level}
        onChange={(event) => onLevel(Number(event.currentTarget.value))}
        aria-label={`Level of ${task.name}`}
      >
        {Array.from({ length: to - from + 1 }, (_, i) => (
          <option key={from + i} value={from + i}>
            {from + i}
          </option>
        ))}
      </select>
    </label>
  );
}

export function TaskCard({ task }: { readonly task: TaskSummary }) {
  const { name, description } = task;
  const [prompt, setPrompt] = useState(known[name]?.prompt ?? null);
  const [difficulty, setDifficulty] = useState(known[name]?.difficulty ?? task.difficulty.usual);
  const [problem, setProblem] = useState<string | null>(null);
  const drawn = useRef(0);
  /** A problem that comes after a later one was asked for is not shown. */
  const draw = (level: number) => {
    const turn = ++drawn.current;
    return drawProblem({ task: name, difficulty: level }).then(
      (fresh) => {
        if (turn !== drawn.current) return;
        setPrompt(fresh.prompt);
        setProblem(null);
      },
      (error: Error) => {
        if (turn === drawn.current) setProblem(error.message);
      },
    );
  };
  // Once, where no problem is shown first.
  useEffect(() => {
    if (prompt === null) void draw(difficulty);
  }, []);
  const onLevel = (level: number) => {
    setDifficulty(level);
    void draw(level);
  };
  return (
    <li class="card task-card">
      <h3>{capital(name)}</h3>
      <p class="quiet small">{description}</p>
      <button
        type="button"
        class="button task-problem"
        disabled={prompt === null}
        onClick={() => void send(null, prompt ?? '')}
      >
        {prompt ?? '…'}
      </button>
      <div class="task-foot">
        <Level task={task} level={difficulty} onLevel={onLevel} />
        <button
          type="button"
          class="button compact quiet"
          aria-label={`Another ${name} problem`}
          onClick={() => void draw(difficulty)}
        >
          <Icon name="again" />
          Another
        </button>
      </div>
      {problem !== null && (
        <p class="notice small" role="alert">
          {problem}
        </p>
      )}
    </li>
  );
}
