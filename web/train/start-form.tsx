// A new run: a recipe of those that are shipped, what it needs, and what of it to change.
import { useEffect, useState } from 'preact/hooks';
import type { RecipeList, RecipeSummary, RunList, StartRequest } from '../../src/runs/protocol.ts';
import { goTo } from '../shell/route.ts';
import { refreshList } from './run-list-store.ts';
import { kindNames } from './run-state.ts';
import { listRecipes, startRun } from './runs-client.ts';
import { Scroll } from './scroll.tsx';

/** Choices that have a field of their own; the others are written as path=value. */
const usual = {
  pretraining: ['steps', 'batchSize', 'sequenceLength', 'schedule.learningRate', 'seed'],
  reinforcement: ['steps', 'questions', 'groupSize', 'maxTokens', 'learningRate', 'seed'],
} as const;

function requestOf(recipe: RecipeSummary, form: HTMLFormElement): StartRequest {
  const data = new FormData(form);
  const text = (name: string) => String(data.get(name) ?? '').trim();
  const lines = (name: string) =>
    text(name)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  const set = usual[recipe.kind].flatMap((path) => (text(path) === '' ? [] : [`${path}=${text(path)}`]));
  return {
    recipe: recipe.name,
    set: [...set, ...lines('set')],
    ...(text('name') !== '' && { name: text('name') }),
    ...(recipe.needs.includes('data') && { data: lines('data') }),
    ...(recipe.needs.includes('model') && { model: text('model') }),
  };
}

function Needs({ recipe, bases }: { readonly recipe: RecipeSummary; readonly bases: readonly string[] }) {
  return (
    <>
      {recipe.needs.includes('data') && (
        <label class="field">
          <span>Text to learn from: files in the folder that the server was started in, one a line</span>
          <textarea class="input" name="data" rows={2} required placeholder="book.txt" />
        </label>
      )}
      {recipe.needs.includes('model') &&
        (bases.length > 0 ? (
          <label class="field">
            <span>Begin from the latest checkpoint of</span>
            <select class="input" name="model" required>
              {bases.map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        ) : (
          <p class="notice">It begins from a trained base, and there is none yet: run countdown-base first.</p>
        ))}
    </>
  );
}

function Choices({ recipe }: { readonly recipe: RecipeSummary }) {
  const ownValue = (path: string) => recipe.choices.find((choice) => choice.path === path)?.value;
  const paths = usual[recipe.kind] as readonly string[];
  return (
    <>
      <div class="start-choices">
        {paths.map((path) => (
          <label class="field" key={path}>
            <span>{path}</span>
            <input class="input" name={path} inputMode="decimal" placeholder={String(ownValue(path) ?? '')} />
          </label>
        ))}
      </div>
      <label class="field">
        <span>Other choices, one path=value a line</span>
        <textarea class="input code" name="set" rows={2} placeholder="optimizer.weightDecay=0.05" spellcheck={false} />
      </label>
      <details class="small">
        <summary>What can be chosen, and what this recipe says</summary>
        <Scroll name="Choices of the recipe">
          <table class="plain-table rows">
            <tbody>
              {recipe.choices.map(({ path, value }) => (
                <tr key={path}>
                  <th scope="row">{path}</th>
                  <td>{String(value)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </details>
    </>
  );
}

function RecipeChoice({
  recipes,
  chosen,
  choose,
}: {
  readonly recipes: readonly RecipeSummary[];
  readonly chosen: string;
  readonly choose: (name: string) => void;
}) {
  return (
    <fieldset class="recipes">
      <legend>Recipe</legend>
      {recipes.map(({ name, kind, about }) => (
        <label key={name} class="recipe">
          <input type="radio" name="recipe" value={name} checked={name === chosen} onChange={() => choose(name)} />
          <span>
            <b>{name}</b> <span class="quiet small">{kindNames[kind]}</span>
            <span class="small recipe-about">{about}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** Recipes of the server, or why there are none. */
function useRecipes(): { readonly list: RecipeList | null; readonly problem: string | null } {
  const [list, setList] = useState<RecipeList | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    listRecipes().then(setList, (error: Error) => setProblem(error.message));
  }, []);
  return { list, problem };
}

export function StartForm({ runs }: { readonly runs: RunList }) {
  const { list, problem: unread } = useRecipes();
  const [chosen, setChosen] = useState<string | null>(null);
  const [isStarting, setStarting] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const recipe = list?.recipes.find(({ name }) => name === chosen) ?? list?.recipes[0];
  if (list === null || recipe === undefined)
    return <p class="page-note quiet">{unread ?? (list === null ? 'Loading recipes …' : 'No recipes are shipped.')}</p>;
  const isFull = runs.live.length >= runs.atOnce;
  const lacksBase = recipe.needs.includes('model') && list.bases.length === 0;
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setStarting(true);
    setProblem(null);
    try {
      const { name } = await startRun(requestOf(recipe, event.currentTarget as HTMLFormElement));
      await refreshList();
      goTo('train', name);
    } catch (error) {
      setProblem((error as Error).message);
      setStarting(false);
    }
  };
  return (
    <form class="start" onSubmit={submit} aria-labelledby="start-title">
      <h1 id="start-title">Start a run</h1>
      <RecipeChoice recipes={list.recipes} chosen={recipe.name} choose={setChosen} />
      <Needs recipe={recipe} bases={list.bases} />
      <label class="field">
        <span>Name</span>
        <input class="input" name="name" placeholder={`${recipe.name} and the time`} spellcheck={false} />
      </label>
      <Choices key={recipe.name} recipe={recipe} />
      {isFull && <p class="notice">{runs.live.join(', ')} is running, and one run has the machine at a time.</p>}
      {problem !== null && (
        <p class="notice" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="button primary" disabled={isStarting || isFull || lacksBase}>
        {isStarting ? 'Starting …' : 'Start'}
      </button>
    </form>
  );
}
