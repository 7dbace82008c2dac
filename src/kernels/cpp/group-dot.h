// Integer products of groups of 32 along the reduction: the arithmetic of int8 and int4 weights.
//
// Weights are unsigned codes, 128 (int8) or 8 (int4) above their value, with an f16 scale a group; activations are
// quantized here to int8 with an f32 scale a group (amax / 127, nearest even). A group's product is an exact sum of
// integers, times both scales, added in f32 in ascending order: sum = fma(float(isum), a_scale * w_scale, sum). The
// integer sum starts at minus the bias times the sum of the activation codes, so columns need no correction.
// A panel holds, group after group: f16 scales [kPanel], then words of 4 codes of one column. int8: [8][kPanel], word q
// has steps 4q..4q+3. int4: [4][kPanel], word i has steps 4i.. in the low halves of its bytes, 16 + 4i.. in the high
// ones (the words of ggml's Q4_0). Left out: codes on NEON's and relaxed WebAssembly's own byte products.
#pragma once
#include "gemm-plan.h"

namespace minke::MINKE_ISA::gemm {

constexpr int kQuads = 8;  // words of 4 codes in a group

enum class Codes { int8, int4 };

constexpr int bias_of(Codes codes) { return codes == Codes::int8 ? 128 : 8; }
constexpr i64 block_bytes(Codes codes) { return codes == Codes::int8 ? kInt8BlockBytes : kInt4BlockBytes; }
constexpr i64 group_bytes(Codes codes) { return block_bytes(codes) * kPanel; }

#if defined(__AVX512VNNI__)
constexpr int kQuadWords = 1;  // 4 bytes of activations against 4 of weights
#else
constexpr int kQuadWords = 2;  // 16-bit pairs: steps 0 and 2, steps 1 and 3
#endif

// Rows of a register tile: integer sums and f32 sums of R x 2 vectors, weights, scales.
constexpr int kDotRows = kRows / 2;

// Words of one row of activations in a group: codes, scale, start.
constexpr i64 kRowWords = kQuads * kQuadWords + 2;

#if defined(__AVX512VNNI__)
struct Quad {
  vu codes;
  explicit MINKE_INLINE Quad(vu codes) : codes(codes) {}
  MINKE_INLINE vi dot(vi sum, const int32_t* a, int) const {
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)codes, _mm512_set1_epi32(*a));
  }
};
#else
// Each lane's two 16-bit products, added.
MINKE_INLINE vi multiply_pairs(vu a, vi b) {
#if defined(MINKE_AVX512)
  return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(MINKE_AVX2)
  return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(MINKE_NEON)
  int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
  return (vi)vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
#else
  return (vi)wasm_i32x4_dot_i16x8((v128_t)a, (v128_t)b);
#endif
}
struct Quad {
  vu even, odd;
  explicit MINKE_INLINE Quad(vu codes) : even(codes & 0x00ff00ff), odd((codes >> 8) & 0x00ff00ff) {}
  MINKE_INLINE vi dot(vi sum, const int32_t* a, int rows) const {
    sum += multiply_pairs(even, set1i(a[0]));
    return sum + multiply_pairs(odd, set1i(a[rows]));
  }
};
#endif

typedef uint32_t vu_at __attribute__((vector_size(4 * W), aligned(2), may_alias));
MINKE_INLINE vu load_words(const void* p) { return *reinterpret_cast<const vu_at*>(p); }

// How words of a panel are loaded: from L1, or once from memory, fetched ahead. Loads that say that they stream pass by
// the caches where there are such loads, and want whole lines.
enum class Loads { cached, plain, streamed };
constexpr i64 kStreamAlign = 64;

#if defined(MINKE_AVX512)
constexpr bool kStreams = true;
constexpr int kWideRows = 3;  // up to here the sums of two panels fit the registers: 12 integer sums, 12 f32 sums
#elif defined(MINKE_WASM)
constexpr bool kStreams = false;
constexpr int kWideRows = 0;
#else
constexpr bool kStreams = false;
constexpr int kWideRows = 1;
#endif

template <Loads loads>
MINKE_INLINE void fetch(const char* p) {
  if constexpr (kFetches && loads != Loads::cached) __builtin_prefetch(p);
}
template <Loads loads>
MINKE_INLINE vu load_words_by(const char* p) {
#if defined(MINKE_AVX512)
  if constexpr (loads == Loads::streamed) return (vu)_mm512_stream_load_si512(const_cast<char*>(p));
#endif
  return load_words(p);
}

// W values of binary16, exactly.
MINKE_INLINE vf load_f16(const void* p) {
  vh h = *reinterpret_cast<const vh_at*>(p);
#if defined(MINKE_AVX512)
  return (vf)_mm512_cvtph_ps((__m256i)h);
#elif defined(MINKE_AVX2)
  return (vf)_mm256_cvtph_ps((__m128i)h);
#elif defined(MINKE_NEON)
  return (vf)vcvt_f32_f16((float16x4_t)h);
#else
  vi u = reinterpret_cast<vi>(widen(h));
  vi magnitude = u & 0x7fff;
  vf value = floats(magnitude << 13) * 5.192296858534828e33f;  // 2^112: the difference of the exponents' biases
  value = magnitude >= 0x7c00 ? floats((magnitude << 13) | 0x7f800000) : value;
  return floats(bits(value) | ((u & 0x8000) << 16));
#endif
}

// How a product goes through its panels: the bytes from one to the next, and how far ahead lines are fetched.
struct Reading {
  const char* panel;
  i64 panel_bytes;
  i64 ahead;
};

// R rows times P panels over some groups. a: [groups][codes [8 kQuadWords][R], scales [R], starts [R]].
template <int R, int P, Codes codes, Loads loads>
MINKE_TILE void multiply_groups(const int32_t* a, const Reading& reading, i64 groups, const Tile& tile) {
  vf total[R][2 * P];
  load_sums<R, P>(total, tile);
  const char* panel = reading.panel;
  const i64 apart = reading.panel_bytes, ahead = reading.ahead;
  for (const int32_t* end = a + groups * R * kRowWords; a != end; a += R * kRowWords, panel += group_bytes(codes)) {
    const int32_t* starts = a + R * (kRowWords - 1);
    vi sum[R][2 * P];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int v = 0; v < 2 * P; v++) sum[r][v] = set1i(starts[r]);
    constexpr int words = codes == Codes::int8 ? kQuads : kQuads / 2;
#pragma GCC unroll 8
    for (int q = 0; q < words; q++)
#pragma GCC unroll 4
      for (int v = 0; v < 2 * P; v++) {
        const char* at = panel + v / 2 * apart + 2 * kPanel + (2 * q + v % 2) * 4 * W;
        fetch<loads>(at + ahead);
        vu word = load_words_by<loads>(at);
        if constexpr (codes == Codes::int8) {
          Quad quad(word);
#pragma GCC unroll 8
          for (int r = 0; r < R; r++) sum[r][v] = quad.dot(sum[r][v], a + q * kQuadWords * R + r, R);
        } else {
          Quad low(word & 0x0f0f0f0f), high((word >> 4) & 0x0f0f0f0f);
#pragma GCC unroll 8
          for (int r = 0; r < R; r++) {
            sum[r][v] = low.dot(sum[r][v], a + q * kQuadWords * R + r, R);
            sum[r][v] = high.dot(sum[r][v], a + (q + 4) * kQuadWords * R + r, R);
          }
        }
      }
    const float* scales = reinterpret_cast<const float*>(starts) - R;
#pragma GCC unroll 4
    for (int v = 0; v < 2 * P; v++) {
      const char* at = panel + v / 2 * apart + v % 2 * 2 * W;
      fetch<loads>(at + ahead);
      vf scale = load_f16(at);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) total[r][v] = fma(to_floats(sum[r][v]), set1(scales[r]) * scale, total[r][v]);
    }
  }
  store_sums<R, P>(total, tile);
}

// Groups of an int4 panel in the layout of int8, still 8 above their values.
inline void widen_groups(const char* panel, i64 groups, char* to) {
  for (i64 g = 0; g < groups; g++, panel += group_bytes(Codes::int4), to += group_bytes(Codes::int8)) {
    __builtin_memcpy(to, panel, 2 * kPanel);
    const char* from = panel + 2 * kPanel;
    vu_at* words = reinterpret_cast<vu_at*>(to + 2 * kPanel);
    for (int i = 0; i < kQuads; i++) {
      vu word = load_words(from + i * 4 * W);
      words[i] = word & 0x0f0f0f0f;
      words[i + kQuads] = (word >> 4) & 0x0f0f0f0f;
    }
  }
}

constexpr float kSmallestGroup = 7.888609052210118e-31f;  // 2^-100: below, the inverse might overflow and codes are 0

// One group of one row into its place among R rows, with minus the bias times the sum of the codes of each part. A NaN
// or an infinity makes the scale NaN.
template <int parts, class T>
inline void quantize_group(const T* from, int bias, int32_t* to, i64 rows, i64 row) {
  constexpr int count = kGroupSize / W;
  vf x[count], amax = {}, poison = {};
#pragma GCC unroll 8
  for (int v = 0; v < count; v++) {
    x[v] = load(from + v * W);
    amax = vmax(vabs(x[v]), amax);
    poison += x[v] * 0.0f;
  }
  float most = reduce_max(amax);
  float scale = most / 127.0f + reduce_add(poison);
  float inverse = most >= kSmallestGroup ? 127.0f / most : 0.0f;
  alignas(64) int8_t codes[kGroupSize];
  vi total[parts] = {};
#pragma GCC unroll 8
  for (int v = 0; v < count; v++) {
    vi code = bits(x[v] * inverse + 12582912.0f) - 0x4b400000;
    total[v * parts / count] += code;
    *reinterpret_cast<vb_at*>(codes + v * W) = narrow_bytes(code);
  }
  for (int q = 0; q < kQuads; q++) {
    const int8_t* c = codes + 4 * q;
    if constexpr (kQuadWords == 1) {
      __builtin_memcpy(to + q * rows + row, c, 4);
    } else {
      to[2 * q * rows + row] = int32_t((uint32_t(c[0]) & 0xffff) | (uint32_t(c[2]) << 16));
      to[(2 * q + 1) * rows + row] = int32_t((uint32_t(c[1]) & 0xffff) | (uint32_t(c[3]) << 16));
    }
  }
  i64 after = kQuads * kQuadWords * rows;
  __builtin_memcpy(to + after + row, &scale, 4);
  for (int part = 0; part < parts; part++)
    to[after + (1 + part) * rows + row] = -bias * int32_t(reduce_add(to_floats(total[part])));
}

}  // namespace minke::MINKE_ISA::gemm
