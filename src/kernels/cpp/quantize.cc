// FP8: E4M3 codes with one scale for each 1x128 tile (activations) or 128x128 block (weights), and back.
//
// Source: DeepSeek-V3 report section 3.3 and the released act_quant and weight_dequant kernels: scale = amax / 448 with
// amax at least 1e-4, so that an all-zero tile gives zeros; y = x / scale by true division; round to nearest even,
// saturate. Every step is one IEEE operation, so all instruction sets give the bits of the definition. A NaN becomes a
// NaN code and does not touch the scale; an infinity makes its tile's scale infinite, hence itself NaN, the rest zero.
// Left out: 128x1 tiles (quantize the transposed tensor), E5M6.
#include "fp8.h"
#include "vectors.h"

namespace minke::MINKE_ISA {

constexpr i64 kTilesATask = 512;  // 64 Ki values

// The codes nearest to y, in integer lanes. Steps are 2^-3 of the power of two below |y|, which is at least 2^-6;
// adding 1.5 * 2^20 of that power rounds to whole steps and counts them in the last bits of the sum.
inline vi encode_e4m3(vf y) {
  vf magnitude = vmin(vabs(y), set1(kE4m3Max));
  vi power = bits(vmax(floats(bits(magnitude) & 0x7f800000), set1(0.015625f)));
  vi magic = power + ((20 << 23) + (1 << 22));
  vi steps = bits(magnitude + floats(magic)) - magic;
  vi code = (steps + ((power >> 20) - (121 << 3))) | ((bits(y) >> 24) & 0x80);
  return y != y ? set1i(0x7f) : code;
}

#if defined(MINKE_AVX512)  // g++ 12 widens bytes one by one
inline vi widen(const e4m3* p) { return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p)); }
#elif defined(MINKE_AVX2)
inline vi widen(const e4m3* p) { return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
#else
inline vi widen(const e4m3* p) { return __builtin_convertvector(*reinterpret_cast<const vb_at*>(p), vi); }
#endif

// Values of n codes; the definition's NaN has no sign.
inline vf decode_n(const e4m3* p, i64 n) {
  vi code = {};
  if (n >= W)
    code = widen(p);
  else
    for (i64 i = 0; i < n; i++) code[i] = p[i];
  vf value = decode_e4m3(code);
  return (code & 0x7f) == 0x7f ? floats(set1i(0x7fc00000)) : value;
}

inline void store_codes(e4m3* p, vi code, i64 n) {
  vb bytes = narrow_bytes(code);
  if (n >= W)
    *reinterpret_cast<vb_at*>(p) = bytes;
  else
    for (i64 i = 0; i < n; i++) p[i] = bytes[i];
}

// The scale, or the power of two at or above it (the ue8m0 option).
inline float scale_of(float amax, bool power_of_two) {
  float scale = tile_scale(amax);
  if (!power_of_two) return scale;
  uint32_t u;
  __builtin_memcpy(&u, &scale, 4);
  u = (u + 0x7fffff) & 0xff800000;
  __builtin_memcpy(&scale, &u, 4);
  return scale;
}

template <class X>
inline vf abs_max(const X* x, i64 n, vf top) {
  vf tops[kSums] = {top, top, top, top};  // a maximum has no order
  for_sums(n, [&](i64 i, i64 left, int j) { tops[j] = vmax(vabs(load_n(x + i, left)), tops[j]); });
  return vmax(vmax(tops[0], tops[1]), vmax(tops[2], tops[3]));
}

template <class X>
inline void encode_run(const X* x, i64 n, vf scale, e4m3* codes) {
  for_vectors(0, n, [&](i64 i, i64 left) { store_codes(codes + i, encode_e4m3(load_n(x + i, left) / scale), left); });
}

struct quantize_tiles_e4m3 {
  const void* x;
  e4m3* codes;
  float* scales;
  i64 x_type, rows, cols, power_of_two;
  static constexpr const char* signature =
      "x:any codes:e4m3! scales:f32! x_type:int rows:int cols:int power_of_two:int";
  void fields(Words& w) { w(x, codes, scales, x_type, rows, cols, power_of_two); }
  i64 tasks() const { return blocks(rows * blocks(cols, kTile), kTilesATask); }
  void run(i64 task, Worker&) const {
    in_format(x_type, [&](auto format) { tiles(static_cast<const decltype(format)*>(x), task); });
  }
  template <class X>
  void tiles(const X* from, i64 task) const {
    i64 across = blocks(cols, kTile), end = smaller(rows * across, (task + 1) * kTilesATask);
    for (i64 tile = task * kTilesATask; tile < end; tile++) {
      i64 at = tile / across * cols + tile % across * kTile;
      i64 n = smaller(kTile, cols - tile % across * kTile);
      scales[tile] = scale_of(reduce_max(abs_max(from + at, n, vf{})), power_of_two != 0);
      encode_run(from + at, n, set1(scales[tile]), codes + at);
    }
  }
};

// Blocks at the ragged edges count as padded with zeros.
struct quantize_blocks_e4m3 {
  const void* x;
  e4m3* codes;
  float* scales;
  i64 x_type, N, K, power_of_two;
  static constexpr const char* signature = "x:any codes:e4m3! scales:f32! x_type:int N:int K:int power_of_two:int";
  void fields(Words& w) { w(x, codes, scales, x_type, N, K, power_of_two); }
  i64 tasks() const { return blocks(N, kTile) * blocks(K, kTile); }
  void run(i64 block, Worker&) const {
    in_format(x_type, [&](auto format) { encode_block(static_cast<const decltype(format)*>(x), block); });
  }
  template <class X>
  void encode_block(const X* from, i64 block) const {
    i64 across = blocks(K, kTile), row = block / across * kTile, col = block % across * kTile;
    i64 end = smaller(N, row + kTile), n = smaller(kTile, K - col);
    vf top = {};
    for (i64 r = row; r < end; r++) top = abs_max(from + r * K + col, n, top);
    scales[block] = scale_of(reduce_max(top), power_of_two != 0);
    for (i64 r = row; r < end; r++) encode_run(from + r * K + col, n, set1(scales[block]), codes + r * K + col);
  }
};

// `rows_a_scale` is 1 for tiles and 128 for blocks.
inline void dequantize_tiles(const e4m3* codes, const float* scales, void* out, i64 type, i64 rows, i64 cols,
                             i64 rows_a_scale, i64 task) {
  in_format(type, [&](auto format) {
    auto* to = static_cast<decltype(format)*>(out);
    i64 across = blocks(cols, kTile), end = smaller(rows * across, (task + 1) * kTilesATask);
    for (i64 tile = task * kTilesATask; tile < end; tile++) {
      i64 row = tile / across, column = tile % across;
      vf scale = set1(scales[row / rows_a_scale * across + column]);
      i64 at = row * cols + column * kTile;
      for_vectors(at, at + smaller(kTile, cols - column * kTile),
                  [&](i64 i, i64 n) { store_n(to + i, decode_n(codes + i, n) * scale, n); });
    }
  });
}

struct dequantize_tiles_e4m3 {
  const e4m3* codes;
  const float* scales;
  void* out;
  i64 out_type, rows, cols;
  static constexpr const char* signature = "codes:e4m3 scales:f32 out:any! out_type:int rows:int cols:int";
  void fields(Words& w) { w(codes, scales, out, out_type, rows, cols); }
  i64 tasks() const { return blocks(rows * blocks(cols, kTile), kTilesATask); }
  void run(i64 task, Worker&) const { dequantize_tiles(codes, scales, out, out_type, rows, cols, 1, task); }
};

struct dequantize_blocks_e4m3 {
  const e4m3* codes;
  const float* scales;
  void* out;
  i64 out_type, N, K;
  static constexpr const char* signature = "codes:e4m3 scales:f32 out:any! out_type:int N:int K:int";
  void fields(Words& w) { w(codes, scales, out, out_type, N, K); }
  i64 tasks() const { return blocks(N * blocks(K, kTile), kTilesATask); }
  void run(i64 task, Worker&) const { dequantize_tiles(codes, scales, out, out_type, N, K, kTile, task); }
};

constexpr Kernel quantize_kernels[] = {
    row<quantize_tiles_e4m3>("quantize_tiles_e4m3"),
    row<quantize_blocks_e4m3>("quantize_blocks_e4m3"),
    row<dequantize_tiles_e4m3>("dequantize_tiles_e4m3"),
    row<dequantize_blocks_e4m3>("dequantize_blocks_e4m3"),
};

}  // namespace minke::MINKE_ISA
