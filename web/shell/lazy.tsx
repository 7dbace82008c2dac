// A part of the page that is loaded when it is first shown, and says so while it comes or when it does not.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export interface LazyProps {
  /** Of what is loaded, for people. */
  readonly name: string;
  readonly load: () => Promise<ComponentType>;
}

type State = { readonly part: ComponentType } | { readonly problem: string } | null;

export function LazyPage({ name, load }: LazyProps) {
  const [state, setState] = useState<State>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let isWanted = true;
    setState(null);
    load().then(
      (part) => isWanted && setState({ part }),
      (error: unknown) => isWanted && setState({ problem: error instanceof Error ? error.message : String(error) }),
    );
    return () => {
      isWanted = false;
    };
  }, [load, attempt]);
  if (state === null) return <p class="quiet page-note">Loading {name} …</p>;
  if ('part' in state) return <state.part />;
  return (
    <div class="page-note" role="alert">
      <p>
        {name} could not be loaded: {state.problem}
      </p>
      <button type="button" class="button" onClick={() => setAttempt(attempt + 1)}>
        Try again
      </button>
    </div>
  );
}
