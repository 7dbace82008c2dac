// Packing for the micro-kernel: any source format and order into words [words][stride], lanes side by side.
//
// A "lane" is a row of A or an output column of B. Sources are either along (the reduction is contiguous for each
// lane: A in NT and NN, B in NT) or across (lanes are contiguous for each step: A in TN, B in NN and TN).
// FP8 sources are quantized on the way, 128 values of the reduction at a time (online amax / 448).
#pragma once
#include "gemm-tile.h"

namespace minke::MINKE_ISA::gemm {

// How values enter the product. Where the machine has no bf16 dot product, bf16 and FP8 values are carried in f32
// words.
enum class Mode { f32, bf16, fp8 };
template <Mode mode>
constexpr bool pairs_in = kPairs && mode != Mode::f32;

template <Mode mode>
constexpr i64 words_of(i64 k) {
  return pairs_in<mode> ? (k + 1) / 2 : k;
}

struct Source {
  const void* data;
  i64 ld;
  i64 type;  // kTypeF32 and so on
};

template <class F>
inline void with_type(i64 type, const F& body) {
  if (type == kTypeF32)
    body(static_cast<const float*>(nullptr));
  else if (type == kTypeBf16)
    body(static_cast<const bf16*>(nullptr));
  else
    body(static_cast<const e4m3*>(nullptr));
}

// Rounds to what a word of the product holds: f32 words of bf16 values where the machine has no bf16 product.
template <Mode mode>
MINKE_INLINE vf rounded(vf v) {
  return mode == Mode::bf16 ? from_bf16(to_bf16(v)) : v;
}

// W words of a lane from at most n values, zeros beyond: one value a word, or two where words are pairs of bf16.
template <Mode mode, class T>
MINKE_INLINE vf lane_words(const T* from, i64 n) {
  if constexpr (!pairs_in<mode>) {
    vf v = n >= W ? load(from) : load_n(from, n);
    return sizeof(T) == 2 ? v : rounded<mode>(v);
  } else {
    vh halves[2];
    for (int i = 0; i < 2; i++) {
      if constexpr (sizeof(T) == 2)
        halves[i] = load_halves(from + i * W, n - i * W);
      else
        halves[i] = to_bf16(load_n(from + i * W, n - i * W));
    }
    vf words;
    __builtin_memcpy(&words, halves, sizeof words);
    return words;
  }
}

// to[c * stride + r] = word c of lane r, for lanes x k values; lanes from `lanes` up to `stride` become zero only as
// far as a vector reaches, so the caller clears a wider stride once.
template <Mode mode, class T>
inline void transpose_lanes(const T* from, i64 ld, i64 lanes, i64 k, float* to, i64 stride) {
  constexpr i64 pace = pairs_in<mode> ? 2 : 1;
  for (i64 r = 0; r < lanes; r += W) {
    i64 height = smaller(W, lanes - r), room = smaller(W, stride - r);
    for (i64 c = 0; c < k; c += W * pace) {
      vf block[W];
#pragma GCC unroll 16
      for (int i = 0; i < W; i++) block[i] = i < height ? lane_words<mode>(from + (r + i) * ld + c, k - c) : vf{};
      transpose(block);
      float* at = to + c / pace * stride + r;
      i64 width = words_of<mode>(k - c);
      if (room >= W && width >= W) {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++) store(at + i * stride, block[i]);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < W; i++)
          if (i < width) store_n(at + i * stride, block[i], room);
      }
    }
  }
}

// The same from words as they are.
inline void transpose_words(const float* from, i64 ld, i64 rows, i64 columns, float* to, i64 stride) {
  transpose_lanes<Mode::f32>(from, ld, rows, columns, to, stride);
}

MINKE_INLINE vu bf16_bits(vf v) { return widen(to_bf16(v)); }

// ---- along: each lane's reduction is contiguous ----

template <Mode mode, class T>
constexpr bool quantized_from = mode == Mode::fp8 && sizeof(T) > 1;

// n values (at most W) into their place as words. E4M3 values are bf16 values, so their upper halves are all of them.
template <Mode mode>
MINKE_INLINE void put(float* to, i64 i, vf x, i64 n) {
  if constexpr (!pairs_in<mode>) {
    store_n(to + i, rounded<mode>(x), n);
  } else if constexpr (mode == Mode::fp8) {
    store_halves(reinterpret_cast<bf16*>(to) + i, narrow(reinterpret_cast<vu>(x) >> 16), n);
  } else {
    store_n(reinterpret_cast<bf16*>(to) + i, x, n);
  }
}

// One tile of one lane, quantized: `count` vectors of which the last may be short. The scale is returned.
template <Mode mode, int count, class T>
MINKE_INLINE float quantize_along(const T* from, i64 n, float* to, i64 at) {
  vf x[count];
  vf amax = {};
#pragma GCC unroll 8
  for (int v = 0; v < count; v++) {
    x[v] = load_n(from + v * W, n - v * W);
    amax = vmax(vabs(x[v]), amax);
  }
  vf scale = set1(tile_scale(reduce_max(amax)));
  vf inverse = 1.0f / scale;
#pragma GCC unroll 8
  for (int v = 0; v < count; v++)
    if (v * W < n) put<mode>(to, at + v * W, round_e4m3(quotient(x[v], scale, inverse)), n - v * W);
  return scale[0];
}

// Converts k values of one lane into consecutive words at `to` (zero padded to a whole word).
template <Mode mode, class T>
inline void convert_along(const T* from, i64 k, float* to, float* scales, i64 scale_stride) {
  if constexpr (quantized_from<mode, T>) {
    for (i64 i = 0; i < k; i += kTile)
      scales[(i / kTile) * scale_stride] = k - i >= kTile ? quantize_along<mode, kTile / W>(from + i, kTile, to, i)
                                                          : quantize_along<mode, kTile / W>(from + i, k - i, to, i);
  } else {
    for (i64 i = 0; i < k; i += W) put<mode>(to, i, load_n(from + i, k - i), k - i);
  }
  if (pairs_in<mode> && k % 2) reinterpret_cast<bf16*>(to)[k] = 0;
}

#if defined(MINKE_BF16) || defined(MINKE_TILES)
template <>
inline void convert_along<Mode::fp8, e4m3>(const e4m3* from, i64 k, float* to, float*, i64) {
  const E4m3Table& table = e4m3_table();
  bf16* halves = reinterpret_cast<bf16*>(to);
  for (i64 i = 0; i < k; i += 64) {
    i64 left = k - i;
    alignas(64) bf16 tail[64];
    __mmask64 mask = left >= 64 ? ~__mmask64(0) : (__mmask64(1) << left) - 1;
    decode_codes(table, _mm512_maskz_loadu_epi8(mask, will_load(from + i, left, 64)), left >= 64 ? halves + i : tail);
    if (left < 64) __builtin_memcpy(halves + i, tail, size_t(left + left % 2) * 2);
  }
}
#endif

// lanes x k values into words [words][stride]; `temporary` holds lanes * words words.
template <Mode mode, class T>
inline void pack_along(const T* from, i64 ld, i64 lanes, i64 k, float* to, i64 stride, float* scales,
                       float* temporary) {
  if constexpr (mode != Mode::fp8 && sizeof(T) > 1) {
    transpose_lanes<mode>(from, ld, lanes, k, to, stride);
    return;
  }
  i64 words = words_of<mode>(k);
  for (i64 lane = 0; lane < lanes; lane++)
    convert_along<mode>(from + lane * ld, k, temporary + lane * words, scales + lane, stride);
  transpose_words(temporary, words, lanes, words, to, stride);
}

// ---- across: the lanes of one step are contiguous ----

// n lanes (at most W) of one step, or of a pair of steps, as words. `exact`: they are bf16 values already.
template <Mode mode, bool exact>
MINKE_INLINE vf word(vf x, vf y) {
  if constexpr (!pairs_in<mode>) return exact ? x : rounded<mode>(x);
  if constexpr (exact)
    return reinterpret_cast<vf>((reinterpret_cast<vu>(x) >> 16) | (reinterpret_cast<vu>(y) & 0xffff0000u));
  return reinterpret_cast<vf>(bf16_bits(x) | (bf16_bits(y) << 16));
}

// One tile of steps, at most 128; V vectors of lanes side by side, so that a row of the source is read once.
template <Mode mode, int V, class T>
inline void pack_tile_across(const T* from, i64 ld, i64 lanes, i64 steps, float* to, i64 stride, float* scales) {
  constexpr i64 pace = pairs_in<mode> ? 2 : 1;
  constexpr bool exact = mode == Mode::fp8 || sizeof(T) == 2;
  vf scale[V], inverse[V];
  if constexpr (quantized_from<mode, T>) {
    for (int v = 0; v < V; v++) {
      vf amax = {};
      for (i64 i = 0; i < steps; i++) amax = vmax(vabs(load_n(from + i * ld + v * W, lanes - v * W)), amax);
      scale[v] = tile_scale(amax);
      inverse[v] = 1.0f / scale[v];
      store_n(scales + v * W, scale[v], stride - v * W);
    }
  }
  auto value = [&](i64 i, int v) __attribute__((always_inline)) {
    if (i >= steps) return vf{};
    vf x = load_n(from + i * ld + v * W, lanes - v * W);
    if constexpr (quantized_from<mode, T>) x = round_e4m3(quotient(x, scale[v], inverse[v]));
    return x;
  };
  for (i64 i = 0; i < steps; i += pace)
    for (int v = 0; v < V; v++) {
      // To L2 only: rows a power of two apart share their few lines of L1.
      __builtin_prefetch(from + (i + 16) * ld + v * W, 0, 2);
      if (pace == 2) __builtin_prefetch(from + (i + 17) * ld + v * W, 0, 2);
      vf second = pace == 2 ? value(i + 1, v) : vf{};
      store_n(to + (i / pace) * stride + v * W, word<mode, exact>(value(i, v), second), stride - v * W);
    }
}

template <Mode mode, class T>
inline void pack_across(const T* from, i64 ld, i64 lanes, i64 k, float* to, i64 stride, float* scales) {
  for (i64 tile = 0; tile < k; tile += kTile) {
    const T* at = from + tile * ld;
    float* words = to + words_of<mode>(tile) * stride;
    float* tile_scales = scales + (tile / kTile) * stride;
    if (lanes > W)
      pack_tile_across<mode, 2>(at, ld, lanes, smaller(kTile, k - tile), words, stride, tile_scales);
    else
      pack_tile_across<mode, 1>(at, ld, lanes, smaller(kTile, k - tile), words, stride, tile_scales);
  }
}

// lanes from `lane`, k values from `start`, into words [words][stride]. Compiled once for all layouts.
template <Mode mode, bool across>
inline __attribute__((noinline)) void pack(const Source& source, i64 lane, i64 lanes, i64 start, i64 k, float* to,
                                           i64 stride, float* scales, float* temporary) {
  with_type(source.type, [&](auto* typed) {
    auto* data = static_cast<decltype(typed)>(source.data);
    if constexpr (across)
      pack_across<mode>(data + start * source.ld + lane, source.ld, lanes, k, to, stride, scales);
    else
      pack_along<mode>(data + lane * source.ld + start, source.ld, lanes, k, to, stride, scales, temporary);
  });
}

}  // namespace minke::MINKE_ISA::gemm
