// The GEMM micro-kernel: R rows times one panel (two vectors) of outputs, in registers.
//
// Operands are packed into words along the reduction: one f32, or a pair of bf16 where the machine multiplies pairs
// (vdpbf16ps). A: [words][R], B: [words][kPanel]. Every output is one chain over the reduction in ascending order,
// whatever R is and wherever the reduction is cut into blocks, because a later block starts from the stored sum.
// With scales (FP8) a chain covers 128 values; its sum, times both scales, is then added to the stored sum in f32:
// DeepSeek-V3 section 3.3.2, promotion every 128 of K.
#pragma once
#include "fp8.h"

namespace minke::MINKE_ISA::gemm {

#if defined(MINKE_AVX512)
constexpr int kRows = 12;  // 24 sums, 2 weights, 1 broadcast of 32 registers
#elif defined(MINKE_AVX2)
constexpr int kRows = 6;  // 12 sums, 2 weights, 1 broadcast of 16 registers
#elif defined(MINKE_NEON)
constexpr int kRows = 8;
#elif defined(__wasm_relaxed_simd__)
constexpr int kRows = 6;  // 12 sums, 2 weights, 1 broadcast: V8's 15 registers
#else
constexpr int kRows = 4;  // a separate multiply and add need one register more
#endif

// The arithmetic of bf16 products (arithmetic.ts), and whether their words hold two steps of the reduction. Products in
// tiles are in tile-product.h.
#if defined(MINKE_TILES)
constexpr const char* kArithmetic = "tiles";
constexpr bool kPairs = true;
#elif defined(MINKE_BF16)
constexpr const char* kArithmetic = "pairs";
constexpr bool kPairs = true;
#else
constexpr const char* kArithmetic = "steps";
constexpr bool kPairs = false;
#endif

// One step of a chain over a word of a and W words of b.
template <bool pairs>
MINKE_INLINE vf step(vf sum, vf a, vf b) {
#if defined(MINKE_BF16)
  if constexpr (pairs) return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#endif
  return fma(a, b, sum);
}

struct Tile {
  float* sums;  // [R][ld], f32
  i64 ld;
  i64 columns;  // of the panel that exist, at most kPanel
  bool fresh;   // start from zero instead of from what is stored
};

template <int R, int P>
MINKE_INLINE void load_sums(vf (&sum)[R][2 * P], const Tile& tile) {
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 2 * P; v++)
      sum[r][v] = tile.fresh ? vf{} : load_n(tile.sums + r * tile.ld + v * W, tile.columns - v * W);
}

template <int R, int P>
MINKE_INLINE void store_sums(vf (&sum)[R][2 * P], const Tile& tile) {
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 2 * P; v++)
      if (tile.columns > v * W) store_n(tile.sums + r * tile.ld + v * W, sum[r][v], tile.columns - v * W);
}

// A function of its own, compiled once for all that call it. V8 keeps 12 sums in its 15 registers only so, when nothing
// else lives across the loop.
#define MINKE_TILE __attribute__((noinline))
#if defined(MINKE_WASM)
constexpr bool kFetches = false;  // there is no prefetch
#else
constexpr bool kFetches = true;
#endif

// What a later block will read, brought into L2 one line a step while this one multiplies: packing then waits for no
// memory. Rows of `row_bytes`, `pitch` bytes apart.
struct Ahead {
  const char* row;
  i64 rows, row_bytes, pitch;
  i64 at = 0;  // within the row

  MINKE_INLINE void fetch() {
    if (!kFetches) return;
    __builtin_prefetch(row + at, 0, 2);
    at += 64;
    if (at < row_bytes) return;
    at = 0;
    if (rows > 1) {
      rows--;
      row += pitch;
    }
  }
};

struct NothingAhead {
  MINKE_INLINE void fetch() {}
};

// P panels side by side, each `panel_words` words after the other: with few rows, more chains hide the latency.
template <bool pairs, int R, int P, class Next>
MINKE_INLINE void chain(vf (&sum)[R][2 * P], const float* a, const float* b, i64 panel_words, i64 words, Next& next) {
  // Pointers that step, not indices: WebAssembly then has every address as a constant offset.
  for (const float* end = a + words * R; a != end; a += R, b += kPanel) {
    next.fetch();
    vf weight[2 * P];
#pragma GCC unroll 4
    for (int v = 0; v < 2 * P; v++) {
      const float* at = b + (v / 2) * panel_words + (v % 2) * W;
      __builtin_prefetch(at + 512);  // 2 KiB ahead, so that a panel streams
      weight[v] = load(at);
    }
#pragma GCC unroll 12
    for (int r = 0; r < R; r++) {
      vf x = set1(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < 2 * P; v++) sum[r][v] = step<pairs>(sum[r][v], x, weight[v]);
    }
  }
}

template <bool pairs, int R, int P, class Next>
MINKE_TILE void multiply(const float* a, const float* b, i64 panel_words, i64 words, const Tile& tile, Next& next) {
  vf sum[R][2 * P];
  Next ahead = next;
  load_sums<R, P>(sum, tile);
  chain<pairs, R, P>(sum, a, b, panel_words, words, ahead);
  store_sums<R, P>(sum, tile);
  next = ahead;
}

// words covers whole tiles of 128 values, the last may be short. a_scales: [tiles][R]; b_scales: [tiles][kPanel]. The
// promoted sums rest in L1 between tiles; both scales are multiplied first, as DeepGEMM does.
template <bool pairs, int R>
MINKE_TILE void multiply_scaled(const float* a, const float* b, i64 words, const float* a_scales, const float* b_scales,
                                const Tile& tile, Ahead& next) {
  Ahead ahead = next;
  constexpr i64 tile_words = kTile / (pairs ? 2 : 1);
  vf total[R][2];
  load_sums<R, 1>(total, tile);
  alignas(64) float promoted[R * kPanel];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 2; v++) store(promoted + r * kPanel + v * W, total[r][v]);
  for (i64 k = 0; k < words; k += tile_words) {
    vf sum[R][2] = {};
    chain<pairs, R, 1>(sum, a + k * R, b + k * kPanel, 0, smaller(tile_words, words - k), ahead);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        float* at = promoted + r * kPanel + v * W;
        store(at, fma(sum[r][v], a_scales[r] * load(b_scales + v * W), load(at)));
      }
    a_scales += R;
    b_scales += kPanel;
  }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 2; v++) total[r][v] = load(promoted + r * kPanel + v * W);
  store_sums<R, 1>(total, tile);
  next = ahead;
}

// Calls body.template operator()<R>() for the R that equals rows.
template <int R, class Body>
inline void for_rows(i64 rows, const Body& body) {
  if constexpr (R > 0) {
    if (rows == R)
      body.template operator()<R>();
    else
      for_rows<R - 1>(rows, body);
  }
}

}  // namespace minke::MINKE_ISA::gemm
