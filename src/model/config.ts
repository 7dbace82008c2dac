// A model's configuration: Hugging Face's config.json in camelCase, checked, with Hugging Face's defaults.
//
// The families are declared in architecture/: MlaConfig has multi-head latent attention (DeepSeek and relatives),
// GqaConfig grouped queries. Contract: readConfig(writeConfig(c)) equals c; unused fields are kept in `extra` and
// written back. Refused: what would silently compute something else (another activation, another rope scaling).
// Sources: the configurations in transformers; facts of the released checkpoints.
import type { z } from 'zod';
import { findGqaInconsistency } from './architecture/checks.ts';
import {
  type Architecture,
  architectureFor,
  describeBlocks,
  findArchitecture,
  type GqaConfig,
  type MlaConfig,
  type ModelConfig,
  modelTypes,
} from './architecture/index.ts';
import { findUncomputedField } from './config-fields.ts';
import { ModelError, type Refusal, showValue } from './errors.ts';

export type { GqaConfig, MlaConfig, ModelConfig };

/** The two ways to compute MLA (mla.ts); GQA gives the same bits in both. */
export type AttentionForm = 'expanded' | 'absorbed';

/** Whether attention is MLA. */
export function isMla(config: ModelConfig): config is MlaConfig {
  return 'kvLoraRank' in config;
}

const camel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

type Fields = Record<string, unknown>;
type Shape = Architecture['shape'];

function toCamelCase(json: object): Fields {
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [camel(name), value]));
}

/** Drops nulls where null has no meaning: Hugging Face writes them for defaults. */
function withoutNulls(fields: object, shape: Shape): Fields {
  const stays = ([name, value]: [string, unknown]) => value !== null || shape[name]?.safeParse(null).success === true;
  return Object.fromEntries(Object.entries(fields).filter(stays));
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Reads one rotary embedding: its base, the share of a head that turns, and what stretches it. */
function readRope(given: object, topLevel: Fields, shape: Shape): Fields {
  const { ropeTheta, ...fields } = withoutNulls(toCamelCase(given), {});
  const { ropeType, type = ropeType, partialRotaryFactor = 1, ...scaling } = fields;
  const isPartial = Object.hasOwn(shape, 'partialRotaryFactor') && 'partialRotaryFactor' in fields;
  const hoisted = { ...(ropeTheta !== undefined && { ropeTheta }), ...(isPartial && { partialRotaryFactor }) };
  const isDefault = type === undefined || type === 'default';
  const isSame = (isPartial || partialRotaryFactor === 1) && (ropeType === undefined || ropeType === type);
  if (!isSame) return { ...hoisted, ropeScaling: fields };
  if (isDefault && Object.keys(scaling).length === 0) return { ...hoisted, ropeScaling: null };
  if (type !== 'longrope' && type !== 'su') return { ...hoisted, ropeScaling: { type, ...scaling } };
  const { originalMaxPositionEmbeddings: original } = topLevel; // Phi-3 has it beside rope_scaling
  const start = original !== undefined && { originalMaxPositionEmbeddings: original };
  return { ...hoisted, ropeScaling: { type: 'longrope', ...start, ...scaling } };
}

/** Reads `rope_scaling`, or the newer `rope_parameters`, which has rope_theta too. */
function readRopes(json: Fields, shape: Shape): Fields {
  const { ropeScaling, ropeParameters, ...rest } = json;
  const given = ropeParameters ?? ropeScaling;
  if (given === null || given === undefined) return rest;
  if (!isObject(given)) return { ...rest, ropeScaling: given };
  const { full_attention: full, sliding_attention: sliding } = given as Fields; // Gemma 3 has two
  if (!isObject(full) || !isObject(sliding)) return { ...rest, ...readRope(given, rest, shape) };
  const { ropeTheta: ropeLocalBaseFreq, ropeScaling: local } = readRope(sliding, rest, shape);
  if (local !== null) return { ...rest, ropeScaling: given };
  const base = ropeLocalBaseFreq !== undefined && { ropeLocalBaseFreq };
  return { ...rest, ...base, ...readRope(full, rest, shape) };
}

function refusal(
  source: string,
  [field, expected, received, remedy = 'correct the configuration']: Refusal,
): ModelError {
  return new ModelError(source, `${field}: expected ${expected}, received ${showValue(received)}`, remedy);
}

function toModelError(error: z.ZodError, json: unknown, source: string): ModelError {
  const issue = error.issues[0];
  const unknownKey = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : [];
  const path = [...issue.path, ...unknownKey];
  const field = path.map((part) => snake(String(part))).join('.');
  let received: unknown = json;
  for (const part of path) received = (received as Record<PropertyKey, unknown> | undefined)?.[part];
  if (unknownKey.length > 0) return refusal(source, [field, 'nothing, because it would not be computed', received]);
  const expected = issue.message
    .replace(/^.*?expected /i, '')
    .replace(/^number to be <=/, 'at most ')
    .replace(/, received .*$/, '');
  return refusal(source, [field, expected, received]);
}

/** Finds the architecture, or says which there are. */
function expectArchitecture(modelType: unknown, source: string): Architecture {
  const found = findArchitecture(modelType);
  if (found) return found;
  const remedy =
    'use a model of one of these; to add one, write a file in src/model/architecture (CONTRIBUTING.md, ' +
    '"Add an architecture")';
  throw refusal(source, ['model_type', `one of ${modelTypes.join(', ')}`, modelType, remedy]);
}

/** Returns the fields under the names of the architecture's schema. */
function withOwnNames(json: object, { renamed }: Architecture): Fields {
  const entries = Object.entries(json).filter(([name]) => !(Object.hasOwn(renamed, name) && renamed[name] in json));
  return Object.fromEntries(
    entries.map(([name, value]) => [Object.hasOwn(renamed, name) ? renamed[name] : name, value]),
  );
}

/**
 * Reads config.json's object. `source` names it in errors (a path, a preset). Throws ModelError naming the field, what
 * was expected and what was received.
 */
export function readConfig(json: unknown, source = 'config.json'): ModelConfig {
  if (!isObject(json) || Array.isArray(json))
    throw new ModelError(source, 'expected a JSON object', 'pass the contents of a Hugging Face config.json');
  const architecture = expectArchitecture((json as Fields).model_type, source);
  const { shape, schema } = architecture;
  const own = withOwnNames(json, architecture);
  const fields = readRopes(toCamelCase(own), shape);
  const isKnown = (name: string) => Object.hasOwn(shape, name);
  const known = Object.fromEntries(Object.entries(fields).filter(([name]) => isKnown(name)));
  const isExtra = ([name]: [string, unknown]) => !isKnown(camel(name)) && name !== 'rope_parameters';
  const extra = Object.fromEntries(Object.entries(own).filter(isExtra));
  const parsed = schema.safeParse({ ...withoutNulls(known, shape), extra });
  if (!parsed.success) throw toModelError(parsed.error, fields, source);
  const config = withDerivedFields(parsed.data as ModelConfig);
  const found = findInconsistency(config, architecture) ?? findUncomputedField(config, architecture);
  if (found) throw refusal(source, found);
  return config;
}

function withDerivedFields(config: ModelConfig): ModelConfig {
  if (isMla(config)) return config;
  const { numAttentionHeads, hiddenSize, numKeyValueHeads = numAttentionHeads } = config;
  return { ...config, numKeyValueHeads, headDim: config.headDim ?? Math.floor(hiddenSize / numAttentionHeads) };
}

/** Finds the first field that contradicts another. */
function findInconsistency(config: ModelConfig, { check }: Architecture): Refusal | null {
  const found = isMla(config) ? null : findGqaInconsistency(config, describeBlocks(config).rotaryDim);
  return found ?? check(config);
}

/** Returns the configuration of the main model alone, without modules of multi-token prediction. */
export function withoutModules(config: ModelConfig): ModelConfig {
  return 'numNextnPredictLayers' in config ? { ...config, numNextnPredictLayers: 0 } : config;
}

/** Returns the object of a config.json that Hugging Face's libraries read. */
export function writeConfig(config: ModelConfig): Record<string, unknown> {
  const { extra, ropeScaling, ...fields } = config;
  const own = Object.entries(fields).map(([name, value]) => [snake(name), value]);
  const scaling = ropeScaling && Object.fromEntries(Object.entries(ropeScaling).map(([k, v]) => [snake(k), v]));
  const heads = isMla(config) ? { num_key_value_heads: config.numAttentionHeads } : {};
  const architecture = { architectures: [architectureFor(config).classes[0]] };
  return { ...architecture, ...heads, ...Object.fromEntries(own), rope_scaling: scaling, ...extra };
}
