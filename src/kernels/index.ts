// The kernels module: where the math runs. It opens devices; all other modules use them through Device.
export { type Arithmetic, arithmetics } from './arithmetic.ts';
export type { DeviceName } from './backend.ts';
export { type BlockFormat, type BlockType, blockFormats, decodeBlocks } from './block-formats.ts';
export type { Mapping } from './buffer.ts';
export { type Cpu, examineCpu, howToCompute, nativeCompiler, nativeIsas } from './cpu.ts';
export { Buffer, Device } from './device.ts';
export {
  type Data,
  type DType,
  dtypeBytes,
  dtypeCode,
  fromBf16,
  fromE4m3,
  fromF16,
  newData,
  toBf16,
  toE4m3,
  toF16,
  viewAs,
} from './dtype.ts';
export {
  assert,
  DeviceError,
  DisposedError,
  DTypeError,
  MinkeError,
  OutOfMemoryError,
  ShapeError,
  ValueError,
} from './errors.ts';
export { halfValues } from './half.ts';
export { type Computation, isSameComputation } from './instruction-sets.ts';
export type { Place } from './kernel.ts';
export { describeMachine, type Machine } from './machine.ts';
export { describeMemory, type Memory } from './memory.ts';
export { type CompileOptions, compileFirst, nativeFailure } from './native-build.ts';
export { type DeviceOptions, openDevice } from './open.ts';
export {
  blockPanelBytes,
  blockSize,
  isSameLayout,
  type PanelFormat,
  type PanelLayout,
  type PanelOrder,
  panelBytes,
  panelOrders,
  unpackedBytes,
  unpackPanels,
  weightStride,
} from './panel-layout.ts';
export { calibrate, measure, openYardsticks, type Rate, sample, toRate, type Work, type Yardsticks } from './rates.ts';
export type { Recording } from './recording.ts';
export { packageRoot, packageVersion } from './root.ts';
export {
  inverseFrequencies,
  type RopeConfig,
  type RopeTable,
  ropeTable,
  type YarnConfig,
  yarnMagnitude,
} from './rope-table.ts';
export type { SharedMemory } from './shared-memory.ts';
export {
  blockTokens,
  columnSumWorkspaceBytes,
  type GroupFormat,
  gemmWorkspaceBytes,
  groupBlockBytes,
  groupSize,
  isBlocks,
  maxListed,
  type PackedBlocks,
  type PoolFormat,
  packedBlocks,
  pagedAttentionWorkspaceBytes,
  poolFormat,
  type RecordLayout,
  recordBytes,
  samplingWorkspaceBytes,
  squarePartials,
  sumWorkspaceBytes,
  tileSize,
  tilesIn,
} from './sizes.ts';
export { type CallArguments, type KernelName, kernelNames, kernels } from './table.ts';
export { wasmIsas } from './wasm-node.ts';
