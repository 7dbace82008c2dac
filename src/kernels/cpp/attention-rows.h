// A block of rows of attention forward: o = softmax(scale * q k^T, masked) v, one pass over the keys, no score matrix
// in memory.
//
// It folds the key tiles from position 0 with the online softmax of FlashAttention (Dao et al. 2022, algorithm 1). A
// row's result depends on its position and its keys alone: rows are independent, tiles are aligned to absolute
// positions, keys that a row does not see never enter its chains. So contiguous keys (attention.cc) and pages of heads
// (head-pages.cc) give the same bits. Probabilities are rounded to the format of values before they multiply them;
// their sum is not.
#pragma once
#include "attention.h"

namespace minke::MINKE_ISA {

constexpr i64 kTaskRows = 128;   // rows of a task: repacking a key tile then costs 2 % of using it
constexpr i64 kFewestTasks = 4;  // smaller row blocks rather than idle threads

// Rows of a task, of `rows` rows of each of `pairs` sequences and key heads.
inline i64 rows_of_task(i64 rows, i64 pairs) {
  i64 split = blocks(kFewestTasks, larger(1, pairs));
  return smaller(kTaskRows, blocks(blocks(larger(1, rows), split), kTall) * kTall);
}

// 64 keys as words: panels [64 / kPanel] of [words of the width][kPanel keys], and rows of values [64 / each, v_row].
struct KeyTile {
  const float *k, *v;
  i64 k_step, k_panel;  // from word to word, from panel to panel
  i64 v_row, start;     // start: position of the first key
};

template <class F>
struct RowBlock {
  i64 n, Dk, Dv, q_width, o_width;
  float scale;
  float* q;               // [n, q_width]
  float* o;               // [n, o_width], not yet divided by sum
  float* max;             // [n] largest score so far
  float* sum;             // [n] of e^(score - max)
  float* p;               // [rows of a register tile, 64] scores, then probabilities
  i64 *hidden, *visible;  // a row sees keys hidden to visible; both ascend

  RowBlock(Scratch& scratch, i64 rows, i64 key_width, i64 value_width, float factor)
      : n(rows),
        Dk(key_width),
        Dv(value_width),
        q_width(packed_width(blocks(key_width, F::kEach) * F::kRowWords)),
        o_width(packed_width(value_width)),
        scale(factor) {
    q = scratch.floats(n * q_width);
    o = scratch.floats(n * o_width);
    max = scratch.floats(n);
    sum = scratch.floats(n);
    p = scratch.floats(kTall * kKeys);
    hidden = reinterpret_cast<i64*>(scratch.floats(2 * n));
    visible = reinterpret_cast<i64*>(scratch.floats(2 * n));
    __builtin_memset(o, 0, size_t(n * o_width) * 4);
  }

  void set(i64 r, const typename F::Element* from, i64 hides, i64 sees) const {
    pack_row<typename F::Rows>(from, Dk, q + r * q_width);
    max[r] = -__builtin_inff();
    sum[r] = 0;
    hidden[r] = hides;
    visible[r] = sees;
  }

  // Position of the first tile that any row sees.
  i64 first_tile() const { return hidden[0] / kKeys * kKeys; }

  void fold_tile(const KeyTile& tile) const {
    for_row_tiles(n, [&]<int R>(i64 r) { fold_rows<R>(r, tile); });
  }

  // Row r's result. No key at all gives zeros.
  void finish(i64 r, typename F::Element* to) const {
    for (i64 c = 0; c < Dv; c += W) {
      vf x = load(o + r * o_width + c);
      store_n(to + c, sum[r] == 0 ? vf{} : x / set1(sum[r]), Dv - c);
    }
  }

  // Keys of a tile: begin to end that any of some rows sees, from to to that all of them see.
  struct Span {
    i64 begin, from, to, end;
  };
  Span span(i64 r0, i64 n, i64 start) const {
    auto inside = [&](i64 key) { return smaller(kKeys, larger(0, key - start)); };
    return {inside(hidden[r0]), inside(hidden[r0 + n - 1]), inside(visible[r0]), inside(visible[r0 + n - 1])};
  }

  template <int R>
  void fold_rows(i64 r0, const KeyTile& tile) const {
    Span keys = span(r0, R, tile.start);
    if (keys.begin >= keys.end) return;
    multiply_keys<R>(r0, tile, keys.end);
    alignas(64) float rescale[R > W ? R : W];
    soften<R>(r0, tile.start, rescale);
    for_panels<R>(Dv, [&]<int P>(i64 c) { add_values<R, P>(r0, tile, c, keys, rescale); });
  }

  template <int R>
  MINKE_INLINE void multiply_keys(i64 r0, const KeyTile& tile, i64 most) const {
    vf scales = set1(scale);
    for_panels<R>(most, [&]<int P>(i64 j) {
      vf acc[R][2 * P] = {};
      fold<F, R, P>(q + r0 * q_width, q_width, 1, tile.k + j / kPanel * tile.k_panel, tile.k_step, tile.k_panel,
                    blocks(Dk, F::kEach), acc);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++)
#pragma GCC unroll 8
        for (int c = 0; c < 2 * P; c++) store(p + r * kKeys + j + c * W, acc[r][c] * scales);
    });
  }

  // Scores to probabilities as words, relative to the highest score so far; rescale: what earlier sums are multiplied
  // by.
  template <int R>
  MINKE_INLINE void soften(i64 r0, i64 start, float* rescale) const {
    float highest[R > W ? R : W] = {};
    const vi lanes = lane_index();
    const vf never = set1(-__builtin_inff());
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      int hides = int(hidden[r0 + r] - start), sees = int(smaller(kKeys, visible[r0 + r] - start));
      vf top = set1(max[r0 + r]);
      for (int j = 0; j < kKeys; j += W) {
        vf x = lanes + j < sees ? load(p + r * kKeys + j) : never;
        top = vmax(lanes + j < hides ? never : x, top);
      }
      highest[r] = fold_lanes(top, [](vf a, vf b) { return vmax(a, b); })[0];
    }
    for (int r = 0; r < R; r += W) {
      vf before = load_n(max + r0 + r, R - r), high = load(highest + r);
      store(rescale + r, exp_below(before == high ? vf{} : before - high));  // also before a row sees its first key
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      int hides = int(hidden[r0 + r] - start), sees = int(smaller(kKeys, visible[r0 + r] - start));
      vf top = set1(highest[r]), total = {};
      for (int j = 0; j < kKeys; j += W) {
        vf x = exp_below(load(p + r * kKeys + j) - top);
        x = lanes + j < sees ? x : vf{};
        x = lanes + j < hides ? vf{} : x;
        store(p + r * kKeys + j, F::round(x));
        total = total + x;
      }
      total = fold_lanes(total, [](vf a, vf b) { return a + b; });
      max[r0 + r] = highest[r];
      sum[r0 + r] = sum[r0 + r] * rescale[r] + total[0];
    }
    if constexpr (F::kPairsRows) F::pair_columns(p, p, R);
  }

  template <int R, int P>
  MINKE_INLINE void add_values(i64 r0, const KeyTile& tile, i64 c, const Span& keys, const float* rescale) const {
    constexpr i64 each = F::kEach, step = F::kRowWords;
    float* to = o + r0 * o_width + c;
    vf acc[R][2 * P];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int i = 0; i < 2 * P; i++) acc[r][i] = load(to + r * o_width + i * W) * set1(rescale[r]);
    auto some = [&](i64 j, i64 stop) __attribute__((always_inline)) {  // words that not all rows see in whole
      for (; j < stop; j++)
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) {
          i64 before = hidden[r0 + r] - tile.start - j * each, left = visible[r0 + r] - tile.start - j * each;
          if (left <= 0 || before >= each) continue;
#pragma GCC unroll 4
          for (int i = 0; i < 2 * P; i++) {
            vf y = load(tile.v + j * tile.v_row + c + i * W);
            if (left < each) y = floats(bits(y) & 0xffff);
            if (before > 0) y = floats(bits(y) & int32_t(0xffff0000));
            acc[r][i] = F::fold(p + r * kKeys + j * step, 1, y, acc[r][i]);
          }
        }
    };
    i64 end = blocks(keys.end, each), from = smaller(blocks(keys.from, each), end),
        n = larger(0, keys.to / each - from);
    some(keys.begin / each, from);
    fold<F, R, P>(p + from * step, kKeys, 1, tile.v + from * tile.v_row + c, tile.v_row, kPanel, n, acc);
    some(from + n, end);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 8
      for (int i = 0; i < 2 * P; i++) store(to + r * o_width + i * W, acc[r][i]);
  }
};

}  // namespace minke::MINKE_ISA
