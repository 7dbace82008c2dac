// How a model's matrices are packed: which of them join into one, and the format of each.
//
// Formats: bf16 and f32 as training computes; fp8 as DeepSeek's release keeps it (embedding, head, eh_proj in bf16, as
// its own code reads them); int8 and int4 in ggml's groups of 32, where the inner width is whole groups, else bf16.
// With int4, embedding and head are int8: they are what 4 bits hurt most. The router is always f32.
import { groupSize, tileSize } from '../kernels/index.ts';
import type { PackableFormat } from '../tensor/index.ts';
import type { ModelConfig } from './config.ts';
import { type Fusion, listFusions } from './fusion.ts';
import { isFp8, listParameters, type Parameter } from './parameters.ts';

/** A weight of a packed model, with the parameters that it is made of. */
export interface JoinedWeight {
  readonly name: string;
  readonly parts: readonly Parameter[];
}

/** Returns the format of a matrix when the model's format is `format`. */
export function packedFormat(parameter: Parameter, format: PackableFormat): PackableFormat {
  if (parameter.group === 'router') return 'f32';
  if (format === 'fp8') return isFp8(parameter) ? 'fp8' : 'bf16';
  if (format === 'int4' && ['embedding', 'head'].includes(parameter.group)) return packedFormat(parameter, 'int8');
  return fittingFormat(parameter.shape.at(-1) as number, format);
}

/** Returns the format in which a matrix of an inner width is packed. */
export function fittingFormat(width: number, format: PackableFormat): PackableFormat {
  return (format === 'int8' || format === 'int4') && width % groupSize !== 0 ? 'bf16' : format;
}

/** Lists the weights of a packed model. */
export function listJoinedWeights(config: ModelConfig, format: PackableFormat): JoinedWeight[] {
  const whole = ({ parts }: Fusion) => parts.slice(0, -1).every(({ shape }) => shape[0] % tileSize === 0);
  const fusions = listFusions(config).filter((fusion) => format !== 'fp8' || whole(fusion)); // scales of 128 x 128
  const byFirst = new Map(fusions.map((fusion) => [fusion.parts[0], fusion]));
  const byName = new Map([...byFirst].map(([{ name }, fusion]) => [name, fusion]));
  const later = new Set([...byFirst.values()].flatMap(({ parts }) => parts.slice(1).map(({ name }) => name)));
  return listParameters(config).flatMap((parameter) => {
    if (later.has(parameter.name)) return [];
    return [byName.get(parameter.name) ?? { name: parameter.name, parts: [parameter] }];
  });
}
