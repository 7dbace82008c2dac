// A number that says where it comes from: its button opens a dialog with formula, inputs, and source.
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { type Figure, formatFigure, formatValue } from '../../src/planner/index.ts';
import { IconButton } from '../shell/icon.tsx';

/** The figures that were opened one from the other; the last one is shown. */
const opened = signal<readonly Figure[]>([]);

interface FigureButtonProps {
  readonly figure: Figure;
  /** Whether it shows its middle alone. */
  readonly isShort?: boolean;
}

export function FigureButton({ figure, isShort = false }: FigureButtonProps) {
  const { value, unit, digits } = figure;
  return (
    <button type="button" class="figure-button" onClick={() => (opened.value = [figure])}>
      {isShort && value !== null ? formatValue(value.middle, unit, digits) : formatFigure(figure)}
      <span class="visually-hidden">: where {figure.name} comes from</span>
    </button>
  );
}

function Inputs({ figure }: { readonly figure: Figure }) {
  const inputs = Object.entries(figure.inputs);
  if (inputs.length === 0) return null;
  return (
    <table class="figure-inputs">
      <caption class="visually-hidden">Inputs</caption>
      <tbody>
        {inputs.map(([key, input]) => (
          <tr key={key}>
            <th scope="row">
              {key}
              {input.name !== key && <span class="quiet small"> {input.name}</span>}
            </th>
            <td>
              <button type="button" class="figure-button" onClick={() => (opened.value = [...opened.value, input])}>
                {formatFigure(input)}
              </button>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The dialog of all figures of the page. */
export function FigureDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const figure = opened.value.at(-1);
  useEffect(() => {
    const { current } = dialog;
    if (figure !== undefined && current?.open === false) current.showModal();
    if (figure === undefined) current?.close();
  }, [figure]);
  return (
    <dialog ref={dialog} class="card figure-dialog" aria-labelledby="figure-name" onClose={() => (opened.value = [])}>
      {figure !== undefined && (
        <>
          <header class="figure-head">
            {opened.value.length > 1 && (
              <IconButton icon="left" label="Back" onClick={() => (opened.value = opened.value.slice(0, -1))} />
            )}
            <h2 id="figure-name">{figure.name}</h2>
            <IconButton icon="close" label="Close" onClick={() => (opened.value = [])} />
          </header>
          <p class="figure-value">{formatFigure(figure)}</p>
          {figure.formula !== '' && (
            <p>
              = <code>{figure.formula}</code>
            </p>
          )}
          <Inputs figure={figure} />
          {figure.source !== '' && <p class="quiet small">Source: {figure.source}</p>}
        </>
      )}
    </dialog>
  );
}
