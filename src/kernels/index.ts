// The kernels room: where the math runs. Opens devices; everything above speaks to them through Device.
export type { Mapping } from './buffer.ts';
export { Buffer, Device, type DeviceName } from './device.ts';
export {
  codeOf,
  type Data,
  type DType,
  fromBf16,
  fromE4m3,
  fromF16,
  newData,
  toBf16,
  toE4m3,
  toF16,
  viewAs,
  widthOf,
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
export type { Place } from './kernel.ts';
export { describeMachine, type Machine } from './machine.ts';
export { nativeCompiler, nativeIsas } from './native.ts';
export { type DeviceOptions, openDevice } from './open.ts';
export {
  liesAlike,
  type PanelFormat,
  type PanelLayout,
  type PanelOrder,
  panelBytesOf,
  panelOrders,
  rowBytesOf,
  strideOf,
  unpackPanels,
} from './panel-layout.ts';
export { calibrate, measure, openYardsticks, type Rate, rateOf, sample, type Work, type Yardsticks } from './rates.ts';
export type { Recording } from './recording.ts';
export { gemmWorkspaceBytes, panelBytes } from './reference/gemm.ts';
export { blockBytes, type GroupFormat, groupPanelBytes, groupSize } from './reference/gemm-groups.ts';
export { squarePartials } from './reference/optimizer.ts';
export { blockTokens, type PoolFormat, poolFormat, recordBytes } from './reference/paged.ts';
export { pagedAttentionWorkspace } from './reference/paged-attention.ts';
export { tileSize, tilesIn } from './reference/quantise.ts';
export { sumWorkspaceBytes } from './reference/reduction.ts';
export { columnSumWorkspaceBytes } from './reference/row-blocks.ts';
export { mostListed, samplingWorkspace } from './reference/sampling.ts';
export { packageRoot, packageVersion } from './root.ts';
export {
  inverseFrequencies,
  type RopeConfig,
  type RopeTable,
  ropeTable,
  type YarnConfig,
  yarnMagnitude,
} from './rope-table.ts';
export { type CallArguments, type KernelName, kernelNames, kernels } from './table.ts';
export { wasmIsas } from './wasm-node.ts';
