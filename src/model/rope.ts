// Rotary tables and the softmax scale that belong to a configuration.
//
// DeepSeek multiplies the scale of attention by YaRN's magnitude squared, and leaves cos and sin alone where mscale
// equals mscale_all_dim (V3 report, section 4.3; released modeling code). LongRoPE has a list of factors for short
// contexts and one for long ones: the context that the tables are made for decides, as in vLLM and llama.cpp.
// transformers decides by the longest sequence of a batch, so that an answer depends on the others.
import { yarnMagnitude } from '../kernels/index.ts';
import { type CreateOptions, keep, type RopeTensors, ropeTable } from '../tensor/index.ts';
import { describeBlocks, type RopeName, type RopeScaling, type RopeSpec } from './architecture/index.ts';
import type { MlaConfig, ModelConfig } from './config.ts';

/** The tables of a model by the names of its rotary embeddings. */
export type RopeTables = Readonly<Record<RopeName, RopeTensors>>;

type LongRope = Extract<RopeScaling, { type: 'longrope' }>;

/** Chooses the factors for a table of `length` positions: one more than the context. */
function chooseFactors(scaling: LongRope, longest: number, length: number) {
  const { originalMaxPositionEmbeddings: original, shortFactor, longFactor } = scaling;
  const { factor = longest / original } = scaling;
  const { attentionFactor = factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)) } = scaling;
  return { factors: length - 1 > original ? longFactor : shortFactor, magnitude: attentionFactor };
}

function makeTable(config: ModelConfig, spec: RopeSpec, length: number, options: CreateOptions): RopeTensors {
  const { base, scaling } = spec;
  const { rotaryDim: dim } = describeBlocks(config);
  const known = scaling?.type === 'longrope' ? chooseFactors(scaling, config.maxPositionEmbeddings, length) : scaling;
  const stretched = scaling === null ? {} : { [scaling.type]: known };
  const { cos, sin } = ropeTable({ dim, base, length, ...stretched }, options);
  return { cos: keep(cos), sin: keep(sin) };
}

/** Makes cos and sin for positions 0 to `length` - 1. They survive scopes; the caller disposes them. */
export function makeRopeTables(config: ModelConfig, length: number, options: CreateOptions = {}): RopeTables {
  const { global, local } = describeBlocks(config).ropes;
  const table = makeTable(config, global, length, options);
  return { global: table, local: local ? makeTable(config, local, length, options) : table };
}

/** Returns MLA's factor of the products of queries and keys. */
export function softmaxScale(config: MlaConfig): number {
  const plain = (config.qkNopeHeadDim + config.qkRopeHeadDim) ** -0.5;
  const yarn = config.ropeScaling;
  return yarn && yarn.mscaleAllDim !== 0 ? plain * yarnMagnitude(yarn.factor, yarn.mscaleAllDim) ** 2 : plain;
}
