// Attention over chunks of a paged cache: scores, softmax and weighted values of one chunk, for a block of rows.
//
// A chunk is 128 keys from a multiple of 128 on, so two whole blocks. A row (query, head) takes the chunk's highest
// score, the weights e^(score - highest), rounded to bf16 where pairs are multiplied, and one chain over the keys for
// each output; chunks are merged in ascending order. Nothing of that depends on the other rows or on who computes it.
// Scores have two orders, by the number of heads that share a key alone: with few, lanes lie along the width and are
// added in a fixed tree, so that keys are used as they are stored; with many, transposing them pays.
#pragma once
#include "attention.h"
#include "paged.h"

namespace minke::MINKE_ISA {

constexpr i64 kFewHeads = 32;    // heads that share a key, up to which lanes lie along the width
constexpr i64 kStoredRows = 16;  // rows up to which values of bf16 are used as they are stored
constexpr i64 kKeyGroup = 16;    // keys that stay in L1 while rows pass
constexpr int kBurst = 48;       // lines of the next chunk fetched at a time between long chains
constexpr i64 kSoon = 8;         // keys ahead whose scores come next and that are fetched into L1

// One chunk of one key head. Rows of keys and values lie in blocks of 64.
template <class E>
struct Chunk {
  const E* block[kChunkKeys / kKeys];
  i64 row;                             // elements between the records
  i64 k_at, v_at;                      // where keys and values begin in a record
  const float *scales, *value_scales;  // [tiles][kChunkKeys] of codes, or null
  i64 codes, tile;                     // leading elements of a key that have scales, and how many share one
  i64 start;                           // position of the first key
  i64 keys;                            // that any row sees
  const E* at(i64 j) const { return block[j / kKeys] + j % kKeys * row; }
};

// Fetches the next chunk into the second-level cache, a line a step of this one: nothing else would have memory work
// while this chunk is computed.
struct Prefetch {
  const char *at = nullptr, *end = nullptr;
  const char* later[kChunkKeys / kKeys] = {};  // blocks after this one, last first
  i64 count = 0, bytes = 0;                    // of `later`, of one block
  MINKE_INLINE void step() {
    if (at >= end) {
      if (count == 0) return;
      at = later[--count];
      end = at + bytes;
    }
    __builtin_prefetch(at, 0, 2);
    at += 64;
  }
};

// A block of rows in ascending order of position. A row sees keys hidden to visible.
struct PagedRows {
  i64 n, q_width;
  float* q;  // [n, q_width] packed
  i64 *hidden, *visible;
  float* p;        // [n, kChunkKeys]: scores, then weights
  float* weights;  // [n, kChunkKeys / each]: weights as words; p itself where they are f32 without scales
  float *top, *sum;

  // Keys of a chunk that a row sees: from(r) to to(r).
  i64 from(i64 r, i64 start) const { return larger(0, smaller(kChunkKeys, hidden[r] - start)); }
  i64 to(i64 r, i64 start) const { return larger(0, smaller(kChunkKeys, visible[r] - start)); }
  bool sees(i64 r, i64 start) const { return from(r, start) < to(r, start); }
};

// Lane i: the sum of the lanes of v[i], in a fixed tree.
template <int S = W / 2>
MINKE_INLINE vf sums_of(vf (&v)[W]) {
#pragma GCC unroll 16
  for (int i = 0; i < S; i++) {
    exchange<S>(v[i], v[i + S], typename LaneListTo<W>::type());
    v[i] = v[i] + v[i + S];
  }
  if constexpr (S > 1) return sums_of<S / 2>(v);
  return v[0];
}

// acc[r * K + k] += q row r times key k over elements from to end, lanes along the width.
template <class F, int R, int K, class E = typename F::Element>
MINKE_INLINE void dot_tile(const float* q, i64 q_row, const E* keys, i64 row, i64 from, i64 end, vf* acc, const E* soon,
                           Prefetch& next) {
  i64 w = from / F::kEach;
  for (; (w + W) * F::kEach <= end; w += W) {
    next.step();
    if (soon)
#pragma GCC unroll 16
      for (int k = 0; k < K; k++) __builtin_prefetch(soon + k * row + w * F::kEach);
    vf key[K];
#pragma GCC unroll 16
    for (int k = 0; k < K; k++) key[k] = F::load_words(keys + k * row, w);
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
      vf x = load(q + r * q_row + w);
#pragma GCC unroll 16
      for (int k = 0; k < K; k++) acc[r * K + k] = F::fold(x, key[k], acc[r * K + k]);
    }
  }
  if (w * F::kEach >= end) return;
#pragma GCC unroll 4
  for (int r = 0; r < R; r++) {
    vf x = load(q + r * q_row + w);
#pragma GCC unroll 16
    for (int k = 0; k < K; k++) acc[r * K + k] = F::fold(x, F::load_words_n(keys + k * row, w, end), acc[r * K + k]);
  }
}

// Scores of R rows and W / R keys.
template <class F, int R, class E>
MINKE_INLINE void few_scores(const float* q, i64 q_row, const Chunk<E>& chunk, i64 j, i64 width, float scale, float* p,
                             const E* soon, Prefetch& next) {
  constexpr int K = W / R;
  const E* keys = chunk.at(j) + chunk.k_at;
  vf total[W] = {};
  if (!chunk.scales) {
    dot_tile<F, R, K>(q, q_row, keys, chunk.row, 0, width, total, soon, next);
  } else {
    for (i64 c = 0; c < width; c = c < chunk.codes ? smaller(chunk.codes, c + chunk.tile) : width) {
      vf acc[W] = {};
      bool scaled = c < chunk.codes;
      dot_tile<F, R, K>(q, q_row, keys, chunk.row, c, scaled ? smaller(chunk.codes, c + chunk.tile) : width, acc, soon,
                        next);
      const float* scales = chunk.scales + c / chunk.tile * kChunkKeys + j;
#pragma GCC unroll 16
      for (int i = 0; i < W; i++) total[i] = scaled ? fma(acc[i], set1(scales[i % K]), total[i]) : total[i] + acc[i];
    }
  }
  alignas(64) float lanes[W];
  store(lanes, sums_of(total) * set1(scale));
#pragma GCC unroll 4
  for (int r = 0; r < R; r++) __builtin_memcpy(p + r * kChunkKeys, lanes + r * K, K * 4);
}

template <class F, class E>
inline void all_few_scores(const PagedRows& rows, i64 r0, const Chunk<E>& chunk, i64 width, float scale,
                           Prefetch& next) {
  Prefetch ahead = next;
  i64 first = rows.from(r0, chunk.start) / kKeyGroup * kKeyGroup;
  for (i64 group = first; group < chunk.keys; group += kKeyGroup) {
    auto pass = [&]<int R>(i64 r) {
      for (i64 j = group; j < smaller(chunk.keys, group + kKeyGroup); j += W / R) {
        const E* soon = r == r0 && !chunk.scales && j + kSoon < chunk.keys ? chunk.at(j + kSoon) + chunk.k_at : nullptr;
        few_scores<F, R>(rows.q + r * rows.q_width, rows.q_width, chunk, j, width, scale, rows.p + r * kChunkKeys + j,
                         soon, ahead);
      }
    };
    i64 r = r0;
    if constexpr (W > 4)
      for (; r + 4 <= rows.n; r += 4) pass.template operator()<4>(r);
    for (; r + 2 <= rows.n; r += 2) pass.template operator()<2>(r);
    if (r < rows.n) pass.template operator()<1>(r);
  }
  next = ahead;
}

// With transposed keys, lanes along the keys. `tile`: 64 keys.
template <class F, class E>
inline void all_many_scores(const PagedRows& rows, i64 r0, const Chunk<E>& chunk, i64 width, float scale, float* tile,
                            Prefetch next) {
  i64 words = blocks(width, F::kEach);
  for (i64 start = rows.from(r0, chunk.start) / kKeys * kKeys; start < chunk.keys; start += kKeys) {
    i64 n = smaller(kKeys, chunk.keys - start);
    pack_transposed<F>(chunk.at(start) + chunk.k_at, chunk.row, n, width, tile);
    for_row_tiles(rows.n - r0, [&]<int R>(i64 i) {
      const float* q = rows.q + (r0 + i) * rows.q_width;
      float* p = rows.p + (r0 + i) * kChunkKeys + start;
      for_panels<R>(n, [&]<int P>(i64 j) {
        vf total[R][2 * P] = {};
        const float* panel = tile + j * words;
        for (int i = 0; i < kBurst; i++) next.step();
        if (!chunk.scales) {
          fold<F, R, P>(q, rows.q_width, 1, panel, kPanel, kPanel * words, words, total);
        } else {
          for (i64 c = 0; c < width; c = c < chunk.codes ? smaller(chunk.codes, c + chunk.tile) : width) {
            vf acc[R][2 * P] = {};
            i64 from = c / F::kEach;
            i64 end = c < chunk.codes ? smaller(chunk.codes, c + chunk.tile) / F::kEach : words;
            fold<F, R, P>(q + from, rows.q_width, 1, panel + from * kPanel, kPanel, kPanel * words, end - from, acc);
            const float* scales = chunk.scales + c / chunk.tile * kChunkKeys + start + j;
#pragma GCC unroll 8
            for (int r = 0; r < R; r++)
#pragma GCC unroll 4
              for (int v = 0; v < 2 * P; v++)
                total[r][v] =
                    c < chunk.codes ? fma(acc[r][v], load(scales + v * W), total[r][v]) : total[r][v] + acc[r][v];
          }
        }
#pragma GCC unroll 8
        for (int r = 0; r < R; r++)
#pragma GCC unroll 4
          for (int v = 0; v < 2 * P; v++) store(p + r * kChunkKeys + j + v * W, total[r][v] * set1(scale));
      });
    });
  }
}

// Scores to weights e^(score - top) of keys from to to, which the row sees; zeros beside them up to `end`.
inline void soften(float* p, i64 from, i64 to, i64 end, float& top, float& sum) {
  const vi lanes = lane_index();
  const vf never = set1(-__builtin_inff());
  vf high = never, total = {};
  auto seen = [&](i64 j) { return (lanes + int(j) < int(to)) & (lanes + int(j) >= int(from)); };
  for (i64 j = from / W * W; j < to; j += W) high = vmax(seen(j) ? load(p + j) : never, high);
  high = fold_lanes(high, [](vf a, vf b) { return vmax(a, b); });
  for (i64 j = 0; j < end; j += W) {
    vf x = j < to && j + W > from ? exp_below(load(p + j) - high) : vf{};
    x = seen(j) ? x : vf{};
    store(p + j, x);
    total = total + x;
  }
  top = high[0];
  sum = fold_lanes(total, [](vf a, vf b) { return a + b; })[0];
}

// Weights as the words that multiply values; for FP8 times the scales of one tile.
template <class F>
inline void weigh(const PagedRows& rows, i64 r0, i64 end, const float* scales) {
  for (i64 r = r0; r < rows.n; r++) {
    const float* p = rows.p + r * kChunkKeys;
    float* to = rows.weights + r * kChunkKeys / F::kEach;
    for (i64 j = 0; j < end; j += 2 * W) {
      vf a = load(p + j), b = load(p + j + W);
      if (scales) a = a * load(scales + j), b = b * load(scales + j + W);
      if constexpr (F::kEach == 2) {
#if defined(MINKE_BF16)
        store(to + j / 2, (vf)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a));
#endif
      } else {
        store(to + j, a);
        store(to + j + W, b);
      }
    }
  }
}

#if defined(MINKE_BF16)
// Columns 0 to 31 of two neighboring keys as words, the lower key below.
MINKE_INLINE void join_keys(__m512i low, __m512i high, vf (&words)[2]) {
  const __m512i halves = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6,
                                          37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
  words[0] = (vf)_mm512_permutex2var_epi16(low, halves, high);
  words[1] = (vf)_mm512_permutex2var_epi16(low, _mm512_add_epi16(halves, _mm512_set1_epi16(16)), high);
}
#endif

// Columns c to c + kPanel of the chunk's values as words [keys / each][kPanel].
template <class F, class E>
inline void pack_value_panel(const Chunk<E>& chunk, i64 c, i64 columns, float* to) {
  for (i64 j = 0; j < chunk.keys; j += F::kEach, to += kPanel) {
    const E* from = chunk.at(j) + chunk.v_at + c;
    if constexpr (F::kEach == 2) {
#if defined(MINKE_BF16)
      __mmask32 some = columns >= 32 ? ~__mmask32(0) : (__mmask32(1) << columns) - 1;
      __m512i a = _mm512_maskz_loadu_epi16(some, from), b = _mm512_setzero_si512();
      if (j + 1 < chunk.keys) b = _mm512_maskz_loadu_epi16(some, from + chunk.row);
      vf words[2];
      join_keys(a, b, words);
      store(to, words[0]);
      store(to + W, words[1]);
#endif
    } else {
      store(to, load_n(from, columns));
      store(to + W, columns > W ? load_n(from + W, columns - W) : vf{});
    }
  }
}

// Words of a chunk: begin to end that any of some rows sees, from to to that all of them see in whole.
struct Span {
  i64 begin, from, to, end;
};

template <int each>
inline Span span_of(const PagedRows& rows, i64 r0, i64 n, i64 start) {
  i64 end = blocks(rows.to(r0 + n - 1, start), each);
  i64 from = smaller(end, blocks(rows.from(r0 + n - 1, start), each));
  return {rows.from(r0, start) / each, from, larger(from, rows.to(r0, start) / each), end};
}

// acc[r] = chain over the keys that row r0 + r sees.
template <class F, int R>
MINKE_INLINE void fold_values(const PagedRows& rows, i64 r0, i64 start, const float* panel, vf (&acc)[R][2]) {
  constexpr i64 each = F::kEach, p_row = kChunkKeys / each;
  const float* p = rows.weights + r0 * p_row;
  const Span words = span_of<each>(rows, r0, R, start);
  auto some = [&](i64 j, i64 end) __attribute__((always_inline)) {  // words that not all rows see in whole
    for (; j < end; j++)
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        i64 before = rows.hidden[r0 + r] - start - j * each, left = rows.visible[r0 + r] - start - j * each;
        if (left <= 0 || before >= each) continue;
        const float* x = p + r * p_row + j;
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
          vf y = load(panel + j * kPanel + v * W);
          if (left < each) y = floats(bits(y) & 0xffff);
          if (before > 0) y = floats(bits(y) & int32_t(0xffff0000));
          acc[r][v] = F::fold(x, 1, y, acc[r][v]);
        }
      }
  };
  some(words.begin, words.from);
  fold<F, R, 1>(p + words.from, p_row, 1, panel + words.from * kPanel, kPanel, 0, words.to - words.from, acc);
  some(words.to, words.end);
}

#if defined(MINKE_BF16)
// fold_values for a whole panel of values as they are stored: with few rows packing them would cost more.
template <int R>
inline __attribute__((noinline)) void fold_stored(const PagedRows& rows, i64 r0, const Chunk<bf16>& chunk, i64 c,
                                                  vf (&sums)[R][2], Prefetch& next) {
  Prefetch ahead = next;
  constexpr i64 p_row = kChunkKeys / 2;
  const float* p = rows.weights + r0 * p_row;
  const Span words = span_of<2>(rows, r0, R, chunk.start);
  vf acc[R][2] = {};
  auto some = [&](i64 j, i64 end) __attribute__((always_inline)) {  // pairs that not all rows see in whole
    for (; j < end; j++) {
      const bf16* from = chunk.at(2 * j) + chunk.v_at + c;
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        i64 before = rows.hidden[r0 + r] - chunk.start - 2 * j, left = rows.visible[r0 + r] - chunk.start - 2 * j;
        if (left <= 0 || before >= 2) continue;
        vf y[2], x = broadcast(p + r * p_row + j);
        join_keys(before > 0 ? _mm512_setzero_si512() : _mm512_loadu_si512(from),
                  left < 2 ? _mm512_setzero_si512() : _mm512_loadu_si512(from + chunk.row), y);
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) acc[r][v] = Pairs::fold(x, y[v], acc[r][v]);
      }
    }
  };
  some(words.begin, words.from);
  for (i64 start = words.from; start < words.to;) {
    const bf16* from = chunk.at(2 * start) + chunk.v_at + c;
    i64 end = smaller(words.to, (start / (kKeys / 2) + 1) * (kKeys / 2)), j = start;
    for (start = end; j < end; j++, from += 2 * chunk.row) {
      vf y[2];
      ahead.step();
      join_keys(_mm512_loadu_si512(from), _mm512_loadu_si512(from + chunk.row), y);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        vf x = broadcast(p + r * p_row + j);
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) acc[r][v] = Pairs::fold(x, y[v], acc[r][v]);
      }
    }
  }
  some(words.to, words.end);
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) sums[r][v] = acc[r][v];
  next = ahead;
}
#endif

// One chunk for all rows of a block. emit(r, column, columns, sums) takes row r's outputs, two vectors at a time.
template <class F, class E, class Emit>
inline void fold_chunk(PagedRows rows, const Chunk<E>& chunk, i64 key_width, i64 value_width, bool few, float scale,
                       float* keys, float* panel, Prefetch next, Emit emit) {
  i64 r0 = 0, end = blocks(chunk.keys, 2 * W) * 2 * W;
  while (rows.to(r0, chunk.start) == 0) r0++;
  while (rows.from(rows.n - 1, chunk.start) == kChunkKeys) rows.n--;
  if (few)
    all_few_scores<F>(rows, r0, chunk, key_width, scale, next);
  else
    all_many_scores<F>(rows, r0, chunk, key_width, scale, keys, next);
  for (i64 r = r0; r < rows.n; r++)
    soften(rows.p + r * kChunkKeys, rows.from(r, chunk.start), rows.to(r, chunk.start), end, rows.top[r], rows.sum[r]);
  if (!chunk.scales && F::kEach == 2) weigh<F>(rows, r0, end, nullptr);
  for (i64 c = 0; c < value_width; c += kPanel) {
    i64 columns = smaller(kPanel, value_width - c);
    if (chunk.scales && c % chunk.tile == 0) weigh<F>(rows, r0, end, chunk.value_scales + c / chunk.tile * kChunkKeys);
    bool stored = F::kEach == 2 && rows.n - r0 <= kStoredRows && columns == kPanel;
    if (!stored) pack_value_panel<F>(chunk, c, columns, panel);
    for_row_tiles(rows.n - r0, [&]<int R>(i64 i) {
      vf acc[R][2] = {};
#if defined(MINKE_BF16)
      if constexpr (F::kEach == 2) {
        if (stored) fold_stored<R>(rows, r0 + i, chunk, c, acc, next);
      }
#endif
      if (!stored) fold_values<F, R>(rows, r0 + i, chunk.start, panel, acc);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) emit(r0 + i + r, c, columns, acc[r]);
    });
  }
}

}  // namespace minke::MINKE_ISA
