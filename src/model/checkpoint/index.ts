// Checkpoints: reading, writing and converting the files that the rest of the world uses.
export { writeJson } from './binary-file.ts';
export { CheckpointError } from './errors.ts';
export { expectTensors } from './expected-tensors.ts';
export {
  checkpointValues,
  convertCheckpoint,
  exportWeights,
  quantizationConfig,
  type WeightFormat,
  weightValues,
} from './export.ts';
export { findConfigFile, openCheckpoint, openModelFolder, openTensors, writeCheckpoint } from './folder.ts';

export { openGguf } from './gguf.ts';
export { ggufMetadata } from './gguf-config.ts';
export { ggufImportance, type NamedImportance, readImportance, withImportance } from './gguf-importance.ts';
export { type GgufFormat, ggufMixes } from './gguf-mixes.ts';
export { ggufTensors, openGgufModel } from './gguf-model.ts';
export { ggufByteLength, writeGguf } from './gguf-writer.ts';
export { compareGolden, computeGolden, type GoldenLogits, goldenSchema } from './golden.ts';
export { type ImportedTensor, ignoredTensors, importWeights } from './import.ts';
export { readJson } from './json.ts';
export { openReady, type ReadyCheckpoint } from './ready.ts';
export { isReady } from './ready-format.ts';
export { type ReadyOptions, writeReady } from './ready-writer.ts';
export { byteLength, openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.ts';
export { eachServed, type ServingFormat, type ServingOptions, servingWeights, storedFormat } from './serving.ts';
export { decode, type TensorEntry, type TensorSource } from './source.ts';
