// A page whose code is loaded when it is first shown; meanwhile, or when loading fails, it says so.
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Notice } from './notice.tsx';

export interface LazyProps {
  /** The name of the page, for people. */
  readonly name: string;
  readonly load: () => Promise<ComponentType>;
}

type State = { readonly part: ComponentType } | { readonly problem: string } | null;

export function LazyPage({ name, load }: LazyProps) {
  const [state, setState] = useState<State>(null);
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    let isMounted = true;
    setState(null);
    load().then(
      (part) => isMounted && setState({ part }),
      (error: unknown) => isMounted && setState({ problem: String(error) }),
    );
    return () => {
      isMounted = false;
    };
  }, [load, attempt]);
  if (state === null) return <p class="quiet page-note">Loading {name} …</p>;
  if ('part' in state) return <state.part />;
  const message = `${name} could not be loaded: ${state.problem}`;
  return <Notice message={message} onRetry={() => setAttempt(attempt + 1)} />;
}
