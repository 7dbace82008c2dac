// Figures as a table: a name and a number that says where it comes from.
import type { Figure } from '../../src/planner/index.ts';
import { FigureButton } from './figure-button.tsx';

export interface FigureTableProps {
  readonly title: string;
  readonly figures: readonly (Figure | null)[];
}

export function FigureTable({ title, figures }: FigureTableProps) {
  return (
    <table class="plan-table">
      <caption>{title}</caption>
      <tbody>
        {figures
          .filter((figure) => figure !== null)
          .map((figure) => (
            <tr key={figure.name}>
              <th scope="row">{figure.name}</th>
              <td>
                <FigureButton figure={figure} />
              </td>
            </tr>
          ))}
      </tbody>
    </table>
  );
}
