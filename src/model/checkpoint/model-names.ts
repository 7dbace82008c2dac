// A checkpoint under the model's own names, where a family stores tensors otherwise: several parameters as one tensor
// (Phi's qkv_proj and gate_up_proj), and gains as what is added to 1 (Gemma). architecture/ declares both.
import { architectureFor } from '../architecture/index.ts';
import type { ModelConfig } from '../config.ts';
import { countElements, listParameters, type Parameter } from '../parameters.ts';
import { decode, findEntry, resolveRange, type TensorEntry, type TensorSource } from './source.ts';

/** A parameter in a tensor that holds several, whose rows lie one below another. */
interface JoinedPart {
  readonly parameter: Parameter;
  /** The name of the tensor, and its shape. */
  readonly whole: string;
  readonly shape: readonly number[];
  /** The index of its first element in the tensor. */
  readonly offset: number;
}

/** Lists the parameters that a family stores in joined tensors, in their order. */
export function listJoinedParts(config: ModelConfig): JoinedPart[] {
  const parameters = listParameters(config);
  const byName = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  return Object.entries(architectureFor(config).joined).flatMap(([joined, [first, ...others]]) =>
    parameters.flatMap(({ name }) => {
      if (first === undefined || !name.endsWith(`.${first}`)) return [];
      const prefix = name.slice(0, -first.length);
      const parts = [first, ...others].map((part) => byName.get(prefix + part) as Parameter);
      const [
        {
          shape: [, ...inner],
        },
      ] = parts as [Parameter];
      const shape = [parts.reduce((sum, part) => sum + part.shape[0], 0), ...inner];
      let next = 0;
      return parts.map((parameter): JoinedPart => {
        const offset = next;
        next += countElements(parameter.shape);
        return { parameter, whole: prefix + joined, shape, offset };
      });
    }),
  );
}

/** Returns the tensors of a source as the model names and reads them. */
export function withModelNames(config: ModelConfig, source: TensorSource): TensorSource {
  const { gainOffset } = architectureFor(config);
  const fits = ({ whole, shape }: JoinedPart) => source.entries.get(whole)?.shape.join() === shape.join();
  const parts = new Map(
    listJoinedParts(config)
      .filter(fits)
      .map((part) => [part.parameter.name, part]),
  );
  const gains = new Set(
    gainOffset === 0 ? [] : listParameters(config).flatMap(({ name, kind }) => (kind === 'gain' ? [name] : [])),
  );
  if (parts.size === 0 && gains.size === 0) return source;
  const entries = new Map<string, TensorEntry>(source.entries);
  for (const [name, { parameter, whole }] of parts) {
    const { type, file } = findEntry(source.entries, whole, name);
    entries.set(name, { name, type, shape: parameter.shape, file });
  }
  for (const { whole } of parts.values()) entries.delete(whole);
  for (const name of gains) {
    const entry = entries.get(name);
    if (entry) entries.set(name, { ...entry, type: 'F32' });
  }
  const read: TensorSource['read'] = async (name, range) => {
    const part = parts.get(name);
    const entry = source.entries.get(name);
    if (part) {
      const own = resolveRange(findEntry(entries, name, part.whole), range);
      return source.read(part.whole, { ...own, offset: part.offset + own.offset });
    }
    if (!entry || !gains.has(name)) return source.read(name, range);
    const values = decode(entry, await source.read(name, range)).map((gain) => gain + gainOffset);
    return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  };
  return { entries, read, close: () => source.close() };
}
