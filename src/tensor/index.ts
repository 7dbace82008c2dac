// The tensor room: tensors, ops, gradients, recordings. Everything above computes through these functions.
export { type CreateOptions, encodeNumbers, fill, fromArray, full, randn, uniform, zeros } from './create.ts';
export { currentDevice, useDevice } from './current-device.ts';
export { add } from './ops/elementwise.ts';
export { copy, narrow, reshape } from './ops/view.ts';
export { Replay, record } from './record.ts';
export { asyncScope, keep, scope, unscoped } from './scope.ts';
export { expectDType, expectRank, expectShape, formatShape, type Shape, sizeOf } from './shape.ts';
export { noGrad, Tape, valueAndGrad } from './tape.ts';
export { Tensor } from './tensor.ts';
