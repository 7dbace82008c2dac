// What a run came to and where it comes from: rows of name and value; recipe and lineage folded.
import type { RunDetail } from '../../src/runs/protocol.ts';
import { Scroll } from './scroll.tsx';

type Rows = readonly (readonly [name: string, value: string])[];

function written(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === null ? 'none' : String(value);
}

/** Every value with the path that leads to it. */
function rowsOf(value: unknown, path = ''): Rows {
  if (typeof value !== 'object' || value === null) return [[path, written(value)]];
  const entries = Object.entries(value);
  if (entries.length === 0) return [[path, 'none']];
  return entries.flatMap(([name, below]) => rowsOf(below, path === '' ? name : `${path}.${name}`));
}

function Table({ name, rows }: { readonly name: string; readonly rows: Rows }) {
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
      <Table name={name} rows={rowsOf(value)} />
    </details>
  );
}

/** The lineage without the recipe, which stands by itself. */
function originOf(lineage: unknown): unknown {
  if (typeof lineage !== 'object' || lineage === null) return null;
  const { config: _, ...rest } = lineage as Record<string, unknown>;
  return rest;
}

export function Records({ detail }: { readonly detail: RunDetail }) {
  const { facts, config, lineage, console } = detail;
  return (
    <section class="card wide records" aria-labelledby="records-title" data-part="records">
      <h3 id="records-title">What it came to</h3>
      {facts.length > 0 ? (
        <Table name="What it came to" rows={facts} />
      ) : (
        <p class="quiet">{detail.run.state === 'failed' ? 'It never began.' : 'That is said once it has begun.'}</p>
      )}
      <Folded name="Recipe" value={config} />
      <Folded name="Lineage: data, code, parents, cost" value={originOf(lineage)} />
      {console.length > 0 && (
        <details>
          <summary>The last lines it printed</summary>
          <Scroll name="The last lines it printed" isText>
            {console.join('\n')}
          </Scroll>
        </details>
      )}
    </section>
  );
}
