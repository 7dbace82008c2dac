// The arithmetics of bf16 and FP8 products, by names that runs record: with the lanes of a vector they decide the bits.
//
//   steps  c = fma(a[k], b[k], c), one value of the reduction after another, in f32
//   pairs  for each pair of values c = fma(a[2p+1], b[2p+1], c), then c = fma(a[2p], b[2p], c); subnormals are zeros
//   tiles  for each block of 32 values two chains from zero, e over the even ones and o over the odd ones, then
//          c = c + (e + o); subnormals are zeros
// cpp/gemm-tile.h and cpp/tile-product.h compute them, reference/dots.ts defines them.

export const arithmetics = ['steps', 'pairs', 'tiles'] as const;
export type Arithmetic = (typeof arithmetics)[number];
