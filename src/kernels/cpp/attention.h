// The parts that attention's forward and backward share: sequences, tiles, the micro-kernel, the exponential.
//
// A row is one (query position, query head) of a key/value head's group, ordered by position, then head; so the heads
// of a group share every packed key tile, and a decode step of 128 heads over one latent is a 128-row block.
// Key tiles of 64 are aligned to position 0 of their sequence. Every product is a chain of fused multiply-adds in
// ascending order of its reduction (width, key or row), so the shape of a register tile never shows in the result.
#pragma once
#include "simd.h"

namespace minke::MINKE_ISA {

constexpr i64 kKeys = 64;          // keys of a tile
constexpr i64 kWidestHead = 1024;  // so that the tiles of backward fit a worker's scratch
#if defined(MINKE_AVX512) || defined(MINKE_NEON)
constexpr int kTall = 8;  // rows of a register tile
#elif defined(MINKE_AVX2)
constexpr int kTall = 6;
#else
constexpr int kTall = 4;
#endif
constexpr float kLog2E = 1.44269504f;

// Row length of a packed tile: whole panels, and an odd number of 64-byte lines, so that a column of a tile spreads
// over all sets of the L1 cache.
inline i64 packed_width(i64 width) {
  i64 lines = blocks(blocks(width, kPanel) * kPanel, 16);
  return (lines | 1) * 16;
}

// Calls f<R>(first) for register tiles of R rows that cover rows 0 to n.
template <class F>
inline void for_row_tiles(i64 n, F f) {
  i64 r = 0;
  for (; r + kTall <= n; r += kTall) f.template operator()<kTall>(r);
  if constexpr (kTall > 4) {
    if (r + 4 <= n) f.template operator()<4>(r), r += 4;
  }
  if (r + 2 <= n) f.template operator()<2>(r), r += 2;
  if (r < n) f.template operator()<1>(r);
}

// A word in every lane, bits untouched: arithmetic could quiet a pair of bf16 that looks like a NaN.
inline vf broadcast(const float* word) {
  int32_t x;
  __builtin_memcpy(&x, word, 4);
  return floats(set1i(x));
}

// What 32-bit lanes hold in a product of rows by a packed tile. Singles: one f32, decoded from E. Split: two neighbors
// of the reduction as they are stored in bf16, which the product takes apart; rows are single f32. Pairs: two neighbors
// on both sides, where there are dot products of bf16 pairs. Singles of bf16 and Split give the same bits.
//   Rows       how rows are packed
//   kEach      values of a word of the tile
//   kRowWords  words of a row beside one of the tile
//   fold       sum + the words at `row` (`step` apart) times tile words
//   round      what is done to a number that enters a product
template <class E>
struct Singles {
  using Element = E;
  using Rows = Singles;
  static constexpr int kEach = 1, kRowWords = 1;
  static constexpr bool kPairsRows = false;
  static MINKE_INLINE vf fold(const float* row, i64, vf y, vf sum) { return fma(broadcast(row), y, sum); }
  static MINKE_INLINE vf fold(vf x, vf y, vf sum) { return fma(x, y, sum); }
  static vf round(vf x) {
    if constexpr (sizeof(E) == 4) return x;
    vu u = reinterpret_cast<vu>(x);
    vf rounded = reinterpret_cast<vf>((u + 0x7fff + ((u >> 16) & 1)) & 0xffff0000);
    return x != x ? x : rounded;
  }
  static vf load_words(const E* row, i64 word) { return load(row + word); }
  static vf load_words_n(const E* row, i64 word, i64 width) { return load_n(row + word, width - word); }
};

struct Split {
  using Element = bf16;
  using Rows = Singles<bf16>;
  static constexpr int kEach = 2, kRowWords = 2;
  static constexpr bool kPairsRows = false;
  static MINKE_INLINE vf low(vf y) { return floats(bits(y) << 16); }
  static MINKE_INLINE vf high(vf y) { return floats(bits(y) & int32_t(0xffff0000)); }
  static MINKE_INLINE vf fold(const float* row, i64 step, vf y, vf sum) {
    return fma(broadcast(row + step), high(y), fma(broadcast(row), low(y), sum));
  }
  static vf round(vf x) { return Rows::round(x); }
};

#if defined(MINKE_BF16)
struct Pairs {
  using Element = bf16;
  using Rows = Pairs;
  static constexpr int kEach = 2, kRowWords = 1;
  static constexpr bool kPairsRows = true;
  static MINKE_INLINE vf fold(const float* row, i64, vf y, vf sum) { return fold(broadcast(row), y, sum); }
  static MINKE_INLINE vf fold(vf x, vf y, vf sum) {
    return (vf)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)y);
  }
  static vf load_words(const bf16* row, i64 word) { return (vf)_mm512_loadu_si512(row + 2 * word); }
  static vf load_words_n(const bf16* row, i64 word, i64 width) {
    i64 n = width - 2 * word;
    __mmask32 some = n >= 32 ? ~__mmask32(0) : (__mmask32(1) << n) - 1;
    return (vf)_mm512_maskz_loadu_epi16(some, row + 2 * word);
  }
  static vf round(vf x) { return x; }  // pairs round
  // Rounds rows of 64 numbers to bf16: pairs of columns, 32 words a row. `to` may be `from`.
  static void pair_columns(const float* from, float* to, i64 rows) {
    for (i64 r = 0; r < rows; r++)
      for (int j = 0; j < kKeys; j += 2 * W) {
        const float* at = from + r * kKeys + j;
        store(to + r * kKeys + j / 2, (vf)_mm512_cvtne2ps_pbh((__m512)load(at + W), (__m512)load(at)));
      }
  }
  // Rounds rows of 64 numbers to bf16: pairs of rows, 64 words a pair; zeros beside the last of an odd number.
  static void pair_rows(const float* from, float* to, i64 rows) {
    const __m512i halves = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                            21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (i64 r = 0; r < rows; r += 2, to += kKeys, from += 2 * kKeys)
      for (int j = 0; j < kKeys; j += W) {
        vf second = r + 1 < rows ? load(from + kKeys + j) : vf{};
        __m512i both = (__m512i)_mm512_cvtne2ps_pbh((__m512)second, (__m512)load(from + j));
        store(to + j, (vf)_mm512_permutexvar_epi16(halves, both));
      }
  }
  // Two neighboring rows side by side, the first one below; `second` is null after the last row.
  static void pack_row_pair(const bf16* one, const bf16* second, i64 width, float* to) {
    for (i64 c = 0; c < blocks(width, kPanel) * kPanel; c += W) {
      __mmask16 some = c < width ? first(width - c) : __mmask16(0);
      __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, one + c)), high = _mm512_setzero_si512();
      if (second) high = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, second + c));
      store(to + c, (vf)_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
  }
};
using Bf16Words = Pairs;
using StoredPairs = Pairs;  // of keys and values that lie in memory as tiles of pairs
#else
using Bf16Words = Singles<bf16>;
using StoredPairs = Split;
#endif

// acc[r][c] = chain over d of a[r * a_row + d * a_step] * b[d * b_step + c], over P panels b_panel apart; the one
// micro-kernel. Two panels at once hide the latency of few rows.
template <class F, int R, int P>
inline __attribute__((always_inline)) void fold(const float* a, i64 a_row, i64 a_step, const float* b, i64 b_step,
                                                i64 b_panel, i64 depth, vf (&acc)[R][2 * P]) {
  for (i64 d = 0; d < depth; d++, a += F::kRowWords * a_step, b += b_step) {
    vf y[2 * P];
#pragma GCC unroll 4
    for (int c = 0; c < 2 * P; c++) y[c] = load(b + c / 2 * b_panel + c % 2 * W);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int c = 0; c < 2 * P; c++) acc[r][c] = F::fold(a + r * a_row, a_step, y[c], acc[r][c]);
  }
}

// Calls f<P>(first) for panels that cover columns 0 to n: two at a time where R rows leave registers for it.
template <int R, class F>
inline void for_panels(i64 n, F f) {
  i64 c = 0;
  if constexpr (R <= 2)
    for (; c + kPanel < n; c += 2 * kPanel) f.template operator()<2>(c);
  for (; c < n; c += kPanel) f.template operator()<1>(c);
}

// e^x for x <= 0 (a little above 0 does no harm), 1 exactly at 0; 2 ulp. 0 below -86; NaN stays.
inline vf exp_below(vf x) {
  vf clamped = vmax(set1(-125.0f), x * kLog2E);
  vf shifted = clamped + 12582912.0f;
  vf r = clamped - (shifted - 12582912.0f);
  vf p = set1(1.535336188e-4f);
  p = fma(p, r, set1(1.339887440e-3f));
  p = fma(p, r, set1(9.618437357e-3f));
  p = fma(p, r, set1(5.550332471e-2f));
  p = fma(p, r, set1(2.402264791e-1f));
  p = fma(p, r, set1(6.931472028e-1f));
  p = fma(p, r, set1(1.0f));
  vf y = floats(bits(p) + (bits(shifted) << 23));
  y = x < -86.0f ? vf{} : y;
  return x != x ? x : y;
}

inline vi lane_index() {
  vi v;
  for (int i = 0; i < W; i++) v[i] = i;
  return v;
}

// A row of a tile as packed_width(words) words, zeros beyond its width.
template <class F, class E = typename F::Element>
inline void pack_row(const E* from, i64 width, float* to, i64 ahead = 0) {
  i64 words = blocks(width, F::kEach), panels = blocks(words, kPanel) * kPanel;
  if (ahead > 0)
    for (i64 c = 0; c < width; c += 64 / i64(sizeof(E))) __builtin_prefetch(from + ahead + c, 0, 2);
  i64 c = 0;
  for (; (c + W) * F::kEach <= width; c += W) store(to + c, F::load_words(from, c));
  for (; c < panels; c += W) store(to + c, c < words ? F::load_words_n(from, c, width) : vf{});
}

// Rows row(0) to row(n - 1) as words along the rows: [n / each, to_row], zeros beyond the width and beside the last.
template <class F, class Row>
inline void pack_along_rows(Row row, i64 n, i64 width, float* to, i64 to_row) {
  if constexpr (F::kEach == 1) {
    for (i64 r = 0; r < n; r++) pack_row<F>(row(r), width, to + r * to_row);
  } else {
    for (i64 r = 0; r < n; r += 2, to += to_row) F::pack_row_pair(row(r), r + 1 < n ? row(r + 1) : nullptr, width, to);
  }
}

// Fetches the rows of a tile: rows of a head are too short a stream for the hardware to follow.
template <class E>
inline void prefetch_rows(const E* from, i64 row, i64 width) {
  for (i64 j = 0; j < kKeys; j++)
    for (i64 c = 0; c < width; c += 64 / i64(sizeof(E))) __builtin_prefetch(from + j * row + c, 0, 2);
}

// Rows [n <= 64, width] of a matrix as panels [64 / kPanel][words][kPanel]: lanes along the rows, zeros beyond n.
// Fetches the next tile on the way.
template <class F, class E = typename F::Element>
inline void pack_transposed(const E* from, i64 row, i64 n, i64 width, float* to) {
  i64 words = blocks(width, F::kEach);
  for (i64 j = 0; j < blocks(n, kPanel) * kPanel; j += W) {
    float* panel = to + (j / kPanel) * words * kPanel + j % kPanel;
    for (i64 d = 0; d < words; d += W) {
      vf v[W];
      bool whole = (d + W) * F::kEach <= width;
      if (j + W <= n && whole) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) v[i] = F::load_words(from + (j + i) * row, d);
      } else {
        for (int i = 0; i < W; i++) v[i] = j + i < n ? F::load_words_n(from + (j + i) * row, d, width) : vf{};
      }
      for (int i = 0; i < W; i++) __builtin_prefetch(from + (j + i + kKeys) * row + d * F::kEach, 0, 2);
      transpose(v);
      if (d + W <= words) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(panel + (d + i) * kPanel, v[i]);
      } else {
        for (int i = 0; i < int(words - d); i++) store(panel + (d + i) * kPanel, v[i]);
      }
    }
  }
}

// Keys in front of a window that ends at `visible`; a window of 0 has no bound.
inline i64 hidden_keys(i64 visible, i64 window) { return window > 0 ? larger(0, visible - window) : 0; }

// The batch: sequence b has queries query_start[b] to query_start[b + 1] and keys likewise; its first query is at
// first_position[b] of its keys. Causal query i sees keys up to first_position[b] + i, the last `window` of them where
// it is not 0; others see all.
struct AttentionBatch {
  const int32_t *query_start, *key_start, *first_position;
  i64 B, max_queries, T, S, Hq, Hkv, Dk, Dv, causal, window;

  struct Sequence {
    i64 query, queries, key, keys, first;
  };

  i64 group() const { return Hq / larger(1, Hkv); }

  // False when the starts would lead outside q or k; nothing is read through them then.
  bool sequence(i64 b, Worker& worker, Sequence& s) const {
    auto bad = [&](FaultCode code, i64 where, i64 value, i64 limit) {
      worker.fail(code, where, value, limit);
      return false;
    };
    if (Dk > kWidestHead || Dv > kWidestHead) return bad(kIndexOutOfRange, 0, larger(Dk, Dv), kWidestHead + 1);
    s = {query_start[b], query_start[b + 1] - i64(query_start[b]), key_start[b], key_start[b + 1] - i64(key_start[b]),
         first_position ? first_position[b] : 0};
    if (s.query < 0) return bad(kBadOffsets, b, s.query, T);
    if (s.queries < 0 || s.query + s.queries > T || s.queries > max_queries)
      return bad(kBadOffsets, b + 1, s.query + s.queries, smaller(T, s.query + max_queries));
    if (s.key < 0) return bad(kBadOffsets, b, s.key, S);
    if (s.keys < 0 || s.key + s.keys > S) return bad(kBadOffsets, b + 1, s.key + s.keys, S);
    if (causal && s.queries > 0 && (s.first < 0 || s.first + s.queries > s.keys))
      return bad(kBadOffsets, b, s.first, s.keys - s.queries);
    return true;
  }

  // A row of the sequence sees keys hidden to visible.
  i64 visible(const Sequence& s, i64 r) const { return causal ? s.first + r / group() + 1 : s.keys; }
  i64 hidden(const Sequence& s, i64 r) const { return causal ? hidden_keys(visible(s, r), window) : 0; }
};

// Hands out pieces of a worker's scratch, 64-byte aligned.
class Scratch {
 public:
  explicit Scratch(Worker& worker) : next(worker.scratch) {}
  float* floats(i64 n) {
    float* piece = reinterpret_cast<float*>(next);
    next += blocks(n, 16) * 64;
    return piece;
  }

 private:
  char* next;
};

}  // namespace minke::MINKE_ISA
