// The architectures that minke knows, one line each.
import type { Architecture, ModelConfig } from './architecture.ts';
import type { Blocks } from './blocks.ts';
import { deepseekV2 } from './deepseek-v2.ts';
import { deepseekV3, kimiK2 } from './deepseek-v3.ts';
import { gemma3 } from './gemma3.ts';
import { glm4Moe } from './glm4-moe.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { phi3 } from './phi3.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { qwen3Moe } from './qwen3-moe.ts';
import { smollm3 } from './smollm3.ts';

export type {
  Architecture,
  FieldRule,
  GgufKeyRow,
  GqaConfig,
  MlaConfig,
  ModelConfig,
  RopeScaling,
} from './architecture.ts';
export { type Blocks, type Experts, type Gqa, ggufExpertKeys, type RopeName, type RopeSpec } from './blocks.ts';

const architectures: readonly Architecture[] = [
  deepseekV3,
  deepseekV2,
  kimiK2,
  llama,
  qwen2,
  qwen3,
  qwen3Moe,
  mistral,
  smollm3,
  phi3,
  gemma3,
  glm4Moe,
];

const byType = new Map<unknown, Architecture>(architectures.map((each) => [each.modelType, each]));

/** The values of model_type that are known. */
export const modelTypes: readonly string[] = architectures.map(({ modelType }) => modelType);

/** Returns the architecture of a model_type, undefined where it is not known. */
export function findArchitecture(modelType: unknown): Architecture | undefined {
  return byType.get(modelType);
}

/** The values of general.architecture in GGUF that are known. */
export const ggufNames: readonly string[] = [...new Set(architectures.map(({ gguf }) => gguf.architecture))];

/** Returns the family of a value of general.architecture: the first one that is stored under it. */
export function findGgufArchitecture(name: unknown): Architecture | undefined {
  return architectures.find(({ gguf }) => gguf.architecture === name);
}

/** Returns the architecture of a configuration that has been read. */
export function architectureFor({ modelType }: ModelConfig): Architecture {
  return byType.get(modelType) as Architecture;
}

const described = new WeakMap<ModelConfig, Blocks>();

/** Returns what the model of a configuration computes; described once for each object, which every layer asks. */
export function describeBlocks(config: ModelConfig): Blocks {
  const blocks = described.get(config) ?? architectureFor(config).blocks(config);
  described.set(config, blocks);
  return blocks;
}
