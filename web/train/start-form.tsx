// A new run: a recipe, the arguments of its kind, and changes to its choices.
import { useEffect, useState } from 'preact/hooks';
import type { KindArgument, RecipeList, RecipeSummary, RunDescription, RunList } from '../../src/runs/protocol.ts';
import { goTo } from '../shell/route.ts';
import { FactTable } from './records.tsx';
import { findKind, refreshList } from './run-list-store.ts';
import { listRecipes, startRun } from './runs-client.ts';

/** Returns the arguments of a kind that a recipe leaves to the user. */
function openArguments(kind: RunDescription, { needs }: RecipeSummary): readonly KindArgument[] {
  return kind.arguments.filter(({ flag, isRequired }) => !isRequired || needs.includes(flag));
}

function readForm(form: HTMLFormElement, kind: RunDescription, recipe: RecipeSummary) {
  const data = new FormData(form);
  const text = (name: string) => String(data.get(name) ?? '').trim();
  const lines = (name: string) =>
    text(name)
      .split(/\s*\n\s*/)
      .filter((line) => line !== '');
  const changed = kind.mainFields.filter((path) => text(path) !== '').map((path) => `${path}=${text(path)}`);
  const given = openArguments(kind, recipe).map(({ flag }) => [flag, lines(`--${flag}`)]);
  return {
    ...Object.fromEntries(given),
    recipe: recipe.name,
    set: [...changed, ...lines('set')],
    ...(text('name') !== '' && { name: text('name') }),
  };
}

/** Returns the value that a recipe has at a path, as a placeholder. */
function choiceAt({ choices }: RecipeSummary, path: string): string {
  return String(choices.find((choice) => choice.path === path)?.value ?? '');
}

/** Returns what a user can give, which is less than on the command line: the page names no files but data. */
function argumentLabel({ flag, type, about }: KindArgument, tasks: readonly string[]): string {
  const title = `${flag.charAt(0).toUpperCase()}${flag.slice(1)}`;
  if (type === 'number') return `${title}: ${about}`;
  if (type === 'tasks') return `${title}: one per line of ${tasks.join(', ')}; with a difficulty as in countdown:3`;
  if (type === 'files') return `${title}: ${about} (in the folder that the server was started in, one per line)`;
  return `${title}: the served model, or the latest checkpoint of a run`;
}

interface ArgumentFieldProps {
  readonly argument: KindArgument;
  readonly recipe: RecipeSummary;
  readonly list: RecipeList;
}

function ArgumentField({ argument, recipe, list: { bases, tasks, teachers } }: ArgumentFieldProps) {
  const { flag, path, type, isRequired } = argument;
  const id = `argument-${flag}`;
  const common = { id, class: 'input', name: `--${flag}`, required: isRequired, placeholder: choiceAt(recipe, path) };
  return (
    <label class="field" for={id}>
      <span>{argumentLabel(argument, tasks)}</span>
      {type === 'number' && <input {...common} inputMode="decimal" />}
      {(type === 'files' || type === 'tasks') && <textarea {...common} rows={2} spellcheck={false} />}
      {(type === 'checkpoint' || type === 'model') && (
        <select {...common}>
          {!isRequired && <option value="" />}
          {[...bases, ...(type === 'model' ? teachers : [])].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
    </label>
  );
}

function Choices({ recipe, kind }: { readonly recipe: RecipeSummary; readonly kind: RunDescription }) {
  return (
    <>
      <div class="start-choices">
        {kind.mainFields.map((path) => (
          <label class="field" key={path}>
            <span>{path}</span>
            <input class="input" name={path} inputMode="decimal" placeholder={choiceAt(recipe, path)} />
          </label>
        ))}
      </div>
      <label class="field">
        <span>Other choices (one path=value per line)</span>
        <textarea class="input code" name="set" rows={2} placeholder="optimizer.weightDecay=0.05" spellcheck={false} />
      </label>
      <details class="small">
        <summary>All choices, with the values of this recipe</summary>
        <FactTable name="Choices of the recipe" rows={recipe.choices.map(({ path, value }) => [path, String(value)])} />
      </details>
    </>
  );
}

interface RecipeListProps {
  readonly recipes: readonly RecipeSummary[];
  readonly chosen: string;
  readonly choose: (name: string) => void;
}

function RecipeRadios({ recipes, chosen, choose }: RecipeListProps) {
  return (
    <fieldset class="recipes">
      <legend>Recipe</legend>
      {recipes.map(({ name, kind, about }) => (
        <label key={name} class="recipe">
          <input type="radio" name="recipe" value={name} checked={name === chosen} onChange={() => choose(name)} />
          <span>
            <b>{name}</b> <span class="quiet small">{findKind(kind)?.title}</span>
            <span class="small recipe-about">{about}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

/** Returns the recipes of the server, or why there are none. */
function useRecipes(): { readonly list: RecipeList | null; readonly problem: string | null } {
  const [list, setList] = useState<RecipeList | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  useEffect(() => {
    listRecipes().then(setList, (error: Error) => setProblem(error.message));
  }, []);
  return { list, problem };
}

export function StartForm({ runs }: { readonly runs: RunList }) {
  const { list, problem: loadProblem } = useRecipes();
  const [chosen, setChosen] = useState<string | null>(null);
  const [isStarting, setStarting] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const recipe = list?.recipes.find(({ name }) => name === chosen) ?? list?.recipes[0];
  const kind = findKind(recipe?.kind ?? null);
  if (list === null || recipe === undefined || kind === undefined)
    return (
      <p class="page-note quiet">{loadProblem ?? (list === null ? 'Loading recipes …' : 'There is no recipe.')}</p>
    );
  const choose = (name: string) => {
    setChosen(name);
    setProblem(null);
  };
  const isFull = runs.live.length >= runs.atOnce;
  const open = openArguments(kind, recipe);
  const lacksBase = list.bases.length === 0 && open.some(({ type, isRequired }) => isRequired && type === 'checkpoint');
  const first = list.recipes.find(({ needs }) => needs.length === 0)?.name;
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setStarting(true);
    setProblem(null);
    try {
      const { name } = await startRun(readForm(event.currentTarget as HTMLFormElement, kind, recipe));
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
      <RecipeRadios recipes={list.recipes} chosen={recipe.name} choose={choose} />
      {lacksBase ? (
        <p class="notice">This run begins from a trained model, and there is none yet: run {first} first.</p>
      ) : (
        open.map((argument) => (
          <ArgumentField key={`${recipe.name} ${argument.flag}`} argument={argument} recipe={recipe} list={list} />
        ))
      )}
      <label class="field">
        <span>Name</span>
        <input class="input" name="name" placeholder={`${recipe.name} and the time`} spellcheck={false} />
      </label>
      <Choices key={recipe.name} recipe={recipe} kind={kind} />
      {isFull && (
        <p class="notice">
          {runs.live.join(', ')} is running, and this server runs {runs.atOnce} at a time.
        </p>
      )}
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
