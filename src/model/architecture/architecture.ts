// A family of models as data: its fields in config.json, the blocks that it is made of, its names in files.
//
// One file declares one family, and index.ts lists them (CONTRIBUTING.md, "Add an architecture"). Parameters, cost,
// checkpoints, and the model follow from the declaration.
import { z } from 'zod';
import type { Refusal } from '../errors.ts';
import type { Blocks } from './blocks.ts';
import type { gqaFields, mlaFields } from './fields.ts';

/** What every configuration of multi-head latent attention has. */
export type MlaConfig = z.infer<z.ZodObject<typeof mlaFields>> & { readonly modelType: string };

type GqaFields = z.infer<z.ZodObject<typeof gqaFields>>;

export type RopeScaling = Exclude<GqaFields['ropeScaling'], null>;

/** What every configuration of grouped-query attention has; the fields of one family are known in its own file. */
export type GqaConfig = Omit<GqaFields, 'hiddenAct'> & {
  readonly modelType: string;
  readonly hiddenAct: string;
  readonly numKeyValueHeads: number;
  readonly headDim: number;
};

export type ModelConfig = MlaConfig | GqaConfig;

type Fields = Record<string, z.ZodType>;

/** The values of a family's fields, with the sizes that follow from others where they are left out. */
type Read<F extends Fields> = z.infer<z.ZodObject<F>> & { readonly modelType: string } & (F extends {
    readonly numKeyValueHeads: z.ZodType;
  }
    ? { readonly numKeyValueHeads: number; readonly headDim: number }
    : unknown);

/** A value of a field outside the schema, and whether it leaves the result as it is. */
export type FieldRule = readonly [accepts: (value: unknown) => boolean, expected: string];

/** A key of GGUF below the architecture's name, the field of config.json that it means, and the value if absent. */
export type GgufKeyRow = readonly [
  key: string,
  field: string,
  type: 'u32' | 'f32' | 'bool',
  otherwise?: number | boolean | null,
];

/** How llama.cpp names and orders a family in GGUF files. */
export interface GgufNames {
  /** general.architecture */
  readonly architecture: string;
  /** Whether rows of q and k are ordered as neighboring pairs, where Hugging Face has halves. */
  readonly ordersPairs?: boolean;
  /** Names in a layer that differ from Llama's (gguf-model.ts): Hugging Face's, and llama.cpp's. */
  readonly tensors?: Readonly<Record<string, string>>;
  /** Its keys beside those of all families (gguf-config.ts). */
  readonly keys?: readonly GgufKeyRow[];
  /** Fields of config.json that have no key: what llama.cpp computes with, from the fields that have one. */
  readonly implied?: (fields: Readonly<Record<string, number>>) => Readonly<Record<string, unknown>>;
}

export interface Declaration<F extends Fields> {
  /** Hugging Face's model_type */
  readonly modelType: string;
  /** The names in `architectures` of what is computed here; the first one is written. */
  readonly classes: readonly [string, ...string[]];
  readonly gguf: GgufNames;
  readonly fields: F;
  readonly blocks: (config: Read<F>) => Blocks;
  /** Fields outside `fields` that this family does not read, whatever their values. */
  readonly unread?: readonly string[];
  /** Other names of fields, as other programs write them. */
  readonly renamed?: Readonly<Record<string, string>>;
  /** Finds the first field that contradicts another. */
  readonly check?: (config: Read<F>) => Refusal | null;
  /** Tensors of a layer that hold several parameters, one below another: the name, and theirs. */
  readonly joined?: Readonly<Record<string, readonly string[]>>;
  /** What is added to gains after they are read: 1 where the file holds what is added to 1. @default 0 */
  readonly gainOffset?: number;
}

export interface Architecture extends Required<Omit<Declaration<Fields>, 'fields' | 'blocks' | 'check'>> {
  readonly shape: Readonly<Fields>;
  readonly schema: z.ZodType;
  readonly blocks: (config: ModelConfig) => Blocks;
  readonly check: (config: ModelConfig) => Refusal | null;
}

/** Makes an architecture of its declaration. */
export function architecture<F extends Fields>(declaration: Declaration<F>): Architecture {
  const { fields, blocks, check, ...rest } = declaration;
  const shape = { ...fields, modelType: z.literal(declaration.modelType) };
  return {
    unread: [],
    renamed: {},
    joined: {},
    gainOffset: 0,
    ...rest,
    shape,
    schema: z.object(shape),
    blocks: (config) => blocks(config as unknown as Read<F>),
    check: (config) => check?.(config as unknown as Read<F>) ?? null,
  };
}
