// Rotary tables and the softmax scale that belong to a configuration.
//
// DeepSeek multiplies the scale of attention by YaRN's magnitude squared, and leaves cos and sin alone where mscale
// equals mscale_all_dim (V3 report, section 4.3; released modeling code).
import { yarnMagnitude } from '../kernels/index.ts';
import { type CreateOptions, keep, type RopeTensors, ropeTable } from '../tensor/index.ts';
import { isDeepseek, type ModelConfig } from './config.ts';

/** Makes cos and sin for positions 0 to `length` - 1. They survive scopes; the caller disposes them. */
export function makeRopeTable(config: ModelConfig, length: number, options: CreateOptions = {}): RopeTensors {
  const dim = isDeepseek(config) ? config.qkRopeHeadDim : config.headDim;
  const scaling = config.ropeScaling;
  const stretched = scaling === null ? {} : { [scaling.type]: scaling };
  const { cos, sin } = ropeTable({ dim, base: config.ropeTheta, length, ...stretched }, options);
  return { cos: keep(cos), sin: keep(sin) };
}

/** Returns the factor of the products of queries and keys. */
export function softmaxScale(config: ModelConfig): number {
  if (!isDeepseek(config)) return config.headDim ** -0.5;
  const plain = (config.qkNopeHeadDim + config.qkRopeHeadDim) ** -0.5;
  const yarn = config.ropeScaling;
  return yarn && yarn.mscaleAllDim !== 0 ? plain * yarnMagnitude(yarn.factor, yarn.mscaleAllDim) ** 2 : plain;
}
