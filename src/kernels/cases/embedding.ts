// Rows of the embedding: repeated ids, widths around a task's columns, ids beyond the table.
import { Random } from '../../math/index.ts';
import { dtypeCode, newData } from '../dtype.ts';
import { type Case, toFormat } from './case.ts';

const shapes = [
  [0, 5, 8],
  [1, 1, 1],
  [7, 3, 17],
  [100, 40, 129],
  [64, 300, 1024],
] as const;
const formats = ['f32', 'bf16'] as const;

function rows(tokens: number, vocab: number, cols: number, ids: Int32Array): Case[] {
  const random = new Random(tokens + cols + 1);
  const sizes = { tokens, vocab, cols };
  const name = `${tokens} tokens, table [${vocab}, ${cols}]`;
  const forward = formats.flatMap((tableType) =>
    formats.map(
      (outType): Case => ({
        kernel: 'embedding',
        name: `${name}, ${tableType} to ${outType}`,
        args: {
          ids,
          table: toFormat(tableType, random.normals(vocab * cols)),
          out: newData(outType, tokens * cols),
          ...sizes,
          table_type: dtypeCode[tableType],
          out_type: dtypeCode[outType],
        },
        formats: { table: tableType, out: outType },
        exact: true,
      }),
    ),
  );
  const backward = formats.flatMap((format) =>
    [0, 1].map(
      (accumulate): Case => ({
        kernel: 'embedding_backward',
        name: `${name}, ${format}${accumulate ? ', added' : ''}`,
        args: {
          ids,
          dout: toFormat(format, random.normals(tokens * cols)),
          dtable: random.normals(vocab * cols),
          ...sizes,
          dout_type: dtypeCode[format],
          accumulate,
        },
        formats: { dout: format },
        exact: true, // rows are added in token order, f32, on every device
      }),
    ),
  );
  return [...forward, ...backward];
}

const good = shapes.flatMap(([tokens, vocab, cols]) => {
  const random = new Random(tokens + 2);
  return rows(
    tokens,
    vocab,
    cols,
    Int32Array.from({ length: tokens }, () => random.below(vocab)),
  );
});

const bad = [-1, 40, 2 ** 31 - 1].flatMap((id) =>
  rows(3, 40, 20, Int32Array.of(0, 39, id)).map(
    (row): Case => ({ ...row, name: `${row.name}, id ${id}`, fault: 'indexOutOfRange' }),
  ),
);

export const embedding: Case[] = [...good, ...bad];
