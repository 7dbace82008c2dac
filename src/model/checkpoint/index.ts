// Checkpoints: reading, writing and converting the files that the rest of the world uses.
export { CheckpointError } from './errors.ts';
export { convertCheckpoint, exportWeights, quantizationConfig, type WeightFormat } from './export.ts';
export { openCheckpoint, readJson, writeCheckpoint } from './folder.ts';
export { type ImportedTensor, ignoredTensors, importWeights } from './import.ts';
export { byteLength, openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.ts';
export { decode, type TensorEntry, type TensorSource } from './source.ts';
