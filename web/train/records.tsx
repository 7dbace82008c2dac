// The results of a run and its origin, as rows of name and value; recipe and lineage are folded.
import type { RunDetail } from '../../src/runs/protocol.ts';
import { Scroll } from './scroll.tsx';

type FactRows = readonly (readonly [name: string, value: string])[];

/** Returns every value with its path. */
function flattenRows(value: unknown, path = ''): FactRows {
  const entries = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (entries.length > 0)
    return entries.flatMap(([name, below]) => flattenRows(below, path === '' ? name : `${path}.${name}`));
  return [[path, value === null || typeof value === 'object' ? 'none' : String(value)]];
}

export function FactTable({ name, rows }: { readonly name: string; readonly rows: FactRows }) {
  return (
    <Scroll name={name}>
      <table class="plain-table rows">
        <tbody>
          {rows.map(([title, value]) => (
            <tr key={title}>
              <th scope="row">{title}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function Folded({ name, value }: { readonly name: string; readonly value: unknown }) {
  if (value === null || value === undefined) return null;
  return (
    <details>
      <summary>{name}</summary>
      <FactTable name={name} rows={flattenRows(value)} />
    </details>
  );
}

/** Returns the lineage without the recipe, which is shown by itself. */
function lineageWithoutRecipe(lineage: unknown): unknown {
  return typeof lineage === 'object' && lineage !== null ? { ...lineage, config: undefined } : null;
}

export function Records({ detail }: { readonly detail: RunDetail }) {
  const { facts, config, lineage, console } = detail;
  return (
    <section class="card wide records" aria-labelledby="records-title" data-part="records">
      <h3 id="records-title">Results</h3>
      {facts.length > 0 ? (
        <FactTable name="Results" rows={facts} />
      ) : (
        <p class="quiet">{detail.run.state === 'failed' ? 'It never began.' : 'Results appear once it has begun.'}</p>
      )}
      <Folded name="Recipe" value={config} />
      <Folded name="Lineage: data, code, parents, cost" value={lineageWithoutRecipe(lineage)} />
      {console.length > 0 && (
        <details>
          <summary>Console: the last lines</summary>
          <Scroll name="Console: the last lines" isText>
            {console.join('\n')}
          </Scroll>
        </details>
      )}
    </section>
  );
}
