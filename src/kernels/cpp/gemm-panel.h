// Weights packed once: panels of kPanel output columns, the reduction inside, so that a GEMV reads one stream.
//
//   f32   [panel][k][kPanel]
//   bf16  [panel][k / 2][kPanel][2] where the machine multiplies pairs, else [panel][k][kPanel]
//   FP8   the same in codes; where pairs are decoded by byte tables, the 64 codes of a step are in the order in which
//         unpacking 128-bit lanes brings out columns 0-15 and 16-31
// With few rows the weights stream through registers, two panels at a time for enough chains, prefetched 2 KiB ahead.
// The chains are those of gemm-tile.h, so one row alone and the same row among many give the same bits.
#pragma once
#include "gemm-plan.h"

namespace minke::MINKE_ISA::gemm {

template <Mode mode>
constexpr i64 element_bytes = mode == Mode::f32    ? 4
                              : mode == Mode::bf16 ? 2
                                                   : 1;

template <Mode mode>
inline i64 panel_bytes(i64 k) {
  return (k + k % 2) * kPanel * element_bytes<mode>;
}

template <Mode mode>
inline const char* panel_at(const void* panels, i64 group, i64 n, i64 k, i64 column) {
  return static_cast<const char*>(panels) + (group * blocks(n, kPanel) + column / kPanel) * panel_bytes<mode>(k);
}

// Whether few rows can take the panel as it is stored: bf16 in steps widens in registers.
template <Mode mode>
constexpr bool streams = mode != Mode::fp8 || kPairs;

// Steps of a panel as words: in place, or decoded into `to`.
template <Mode mode>
inline const float* unpack_panel(const char* panel, i64 step, i64 steps, float* to) {
  if constexpr (mode == Mode::f32 || (mode == Mode::bf16 && kPairs)) {
    return reinterpret_cast<const float*>(panel) + words_of<mode>(step) * kPanel;
  } else if constexpr (mode == Mode::bf16) {
    const bf16* from = reinterpret_cast<const bf16*>(panel) + step * kPanel;
    for (i64 i = 0; i < steps * kPanel; i += W) store(to + i, load(from + i));
    return to;
  } else {
    const e4m3* from = reinterpret_cast<const e4m3*>(panel) + step * kPanel;
#if defined(MINKE_BF16) || defined(MINKE_TILES)
    const E4m3Table table = e4m3_table();
    for (i64 w = 0; w < words_of<mode>(steps); w++) {
      __m512i first, second;
      table.decode(_mm512_loadu_si512(from + w * 64), first, second);
      _mm512_storeu_si512(to + w * kPanel, first);
      _mm512_storeu_si512(to + w * kPanel + W, second);
    }
#else
    for (i64 i = 0; i < steps * kPanel; i += W) store(to + i, load(from + i));
#endif
    return to;
  }
}

// At most two panels of f32 or bf16 words.
template <bool pairs, int R>
inline void stream_words(const float* a, const char* panels, i64 bytes, i64 words, const Tile& tile) {
  const float* b = reinterpret_cast<const float*>(panels);
  NothingAhead nothing;
  if (tile.columns > kPanel)
    multiply<pairs, R, 2>(a, b, bytes / 4, words, tile, nothing);
  else
    multiply<pairs, R, 1>(a, b, 0, words, tile, nothing);
}

// P panels of bf16 in steps, widened in registers: the chains of multiply() over widened panels.
template <int R, int P>
MINKE_TILE void multiply_halves(const float* a, const char* panels, i64 bytes, i64 steps, i64 ahead, const Tile& tile) {
  vf sum[R][2 * P];
  load_sums<R, P>(sum, tile);
  for (const float* end = a + steps * R; a != end; a += R, panels += 2 * kPanel) {
    vf weight[2 * P];
#pragma GCC unroll 4
    for (int v = 0; v < 2 * P; v++) {
      const char* at = panels + v / 2 * bytes + v % 2 * 2 * W;
      if constexpr (kFetches) __builtin_prefetch(at + ahead);
      weight[v] = load(reinterpret_cast<const bf16*>(at));
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
      vf x = set1(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < 2 * P; v++) sum[r][v] = fma(x, weight[v], sum[r][v]);
    }
  }
  store_sums<R, P>(sum, tile);
}

#if defined(MINKE_AVX512) || defined(MINKE_NEON)
constexpr int kWideHalves = 4;
#else
constexpr int kWideHalves = 2;  // rows whose sums of two panels fit 16 registers
#endif

// At most two panels.
template <int R>
inline void stream_halves(const float* a, const char* panels, i64 bytes, i64 steps, i64 ahead, const Tile& tile) {
  if (R <= kWideHalves && tile.columns > kPanel) {
    multiply_halves<R, 2>(a, panels, bytes, steps, ahead, tile);
    return;
  }
  for (i64 p = 0; p * kPanel < tile.columns; p++) {
    Tile one = {tile.sums + p * kPanel, tile.ld, tile.columns - p * kPanel, tile.fresh};
    multiply_halves<R, 1>(a, panels + p * bytes, bytes, steps, ahead, one);
  }
}

#if defined(MINKE_BF16)
template <int R, int P>
inline void stream_code_panels(const float* a, const float* a_scales, const char* panels, i64 bytes, i64 k,
                               const float* scales, const Tile& tile) {
  const E4m3Table table = e4m3_table();
  vf total[R][2 * P];
  load_sums<R, P>(total, tile);
  for (i64 start = 0; start < k; start += kTile, a_scales += R, scales++) {
    vf sum[R][2 * P] = {};
    i64 end = (smaller(k, start + kTile) + 1) / 2;
    for (i64 word = start / 2; word < end; word++) {
#pragma GCC unroll 2
      for (int p = 0; p < P; p++) {
        const char* at = panels + p * bytes + word * 64;
        __builtin_prefetch(at + 2048);
        __m512i first, second;
        table.decode(_mm512_loadu_si512(at), first, second);
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
          vf x = set1(a[word * R + r]);
          sum[r][2 * p] = step<true>(sum[r][2 * p], x, (vf)first);
          sum[r][2 * p + 1] = step<true>(sum[r][2 * p + 1], x, (vf)second);
        }
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int v = 0; v < 2 * P; v++) total[r][v] = fma(sum[r][v], set1(a_scales[r] * *scales), total[r][v]);
  }
  store_sums<R, P>(total, tile);
}
#endif

// At most two panels of FP8 codes, which share the scales of their 128 columns.
template <int R>
inline void stream_codes([[maybe_unused]] const float* a, [[maybe_unused]] const float* a_scales,
                         [[maybe_unused]] const char* panels, [[maybe_unused]] i64 bytes, [[maybe_unused]] i64 k,
                         [[maybe_unused]] const float* scales, [[maybe_unused]] const Tile& tile) {
#if defined(MINKE_BF16)
  static_assert(kTile % (2 * kPanel) == 0);
  if (R <= 2 && tile.columns > kPanel) {
    stream_code_panels<R, 2>(a, a_scales, panels, bytes, k, scales, tile);
    return;
  }
  for (i64 p = 0; p * kPanel < tile.columns; p++) {
    Tile one = {tile.sums + p * kPanel, tile.ld, tile.columns - p * kPanel, tile.fresh};
    stream_code_panels<R, 1>(a, a_scales, panels + p * bytes, bytes, k, scales, one);
  }
#endif
}

// Packs weights [groups][n][k] into panels. FP8 panels come from codes, the others from f32 or bf16.
struct PackPanels {
  const void* b;
  char* panels;
  i64 n, k, groups, b_type, panel_type;
  static constexpr const char* signature = "b:any panels:u8! n:int k:int groups:int b_type:int panel_type:int";
  void fields(Words& w) { w(b, panels, n, k, groups, b_type, panel_type); }
  i64 tasks() const { return groups * blocks(n, kPanel); }
  void run(i64 task, Worker& worker) const {
    if (panel_type == kTypeF32)
      pack_panel<Mode::f32>(task, worker);
    else if (panel_type == kTypeBf16)
      pack_panel<Mode::bf16>(task, worker);
    else
      pack_codes(task);
  }

 private:
  i64 group(i64 task) const { return task / blocks(n, kPanel); }
  i64 column(i64 task) const { return task % blocks(n, kPanel) * kPanel; }

  template <Mode mode>
  void pack_panel(i64 task, Worker& worker) const {
    GemmScratch& scratch = *reinterpret_cast<GemmScratch*>(worker.scratch);
    char* panel = panels + task * panel_bytes<mode>(k);
    const char* data = static_cast<const char*>(b) + group(task) * n * k * (b_type == kTypeF32 ? 4 : 2);
    Source source = {data, k, b_type};
    constexpr bool as_words = mode == Mode::f32 || kPairs;
    for (i64 step = 0; step < k; step += kBlockWords) {
      i64 steps = smaller(kBlockWords, k - step);
      float* words = as_words ? reinterpret_cast<float*>(panel) + words_of<mode>(step) * kPanel : scratch.words[0];
      __builtin_memset(words, 0, size_t(words_of<mode>(steps) * kPanel * 4));
      pack<mode, false>(source, column(task), smaller(kPanel, n - column(task)), step, steps, words, kPanel, nullptr,
                        scratch.temporary);
      if constexpr (!as_words) {
        bf16* to = reinterpret_cast<bf16*>(panel) + step * kPanel;
        for (i64 i = 0; i < steps * kPanel; i += W) store(to + i, load(words + i));
      }
    }
  }

  void pack_codes(i64 task) const {
    char* panel = panels + task * panel_bytes<Mode::fp8>(k);
    __builtin_memset(panel, 0, size_t(panel_bytes<Mode::fp8>(k)));
    const char* data = static_cast<const char*>(b) + group(task) * n * k;
    for (i64 j = 0; j < smaller(kPanel, n - column(task)); j++)
      for (i64 i = 0; i < k; i++) panel[place(i, j)] = data[(column(task) + j) * k + i];
  }

  static i64 place(i64 step, i64 column) {
    if (!kPairs) return step * kPanel + column;
    i64 lane = column % 16 / 4 * 16 + column / 16 * 8;
    return step / 2 * 2 * kPanel + lane + column % 4 * 2 + step % 2;
  }
};

}  // namespace minke::MINKE_ISA::gemm
