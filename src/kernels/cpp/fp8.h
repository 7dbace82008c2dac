// E4M3 in vectors: exact decoding, rounding to nearest even, and the scale of a tile.
// Source: DeepSeek-V3 report section 3.3 and the released act_quant kernel (amax at least 1e-4, scale amax / 448).
#pragma once
#include "simd.h"

namespace minke::MINKE_ISA {

constexpr float kE4m3Max = 448.0f;
constexpr float kSmallestAmax = 1e-4f;

// x / scale, correctly rounded, without a division for each x: `inverse` is 1 / scale correctly rounded, so one
// corrected product is the quotient (Markstein).
MINKE_INLINE vf quotient(vf x, vf scale, vf inverse) {
  vf q = x * inverse;
  return fma(fma(-q, scale, x), inverse, q);
}

MINKE_INLINE float tile_scale(float amax) { return (amax > kSmallestAmax ? amax : kSmallestAmax) / kE4m3Max; }
MINKE_INLINE vf tile_scale(vf amax) { return vmax(amax, set1(kSmallestAmax)) / set1(kE4m3Max); }

// The E4M3 value nearest to y, as f32; saturates at 448, NaN stays. Adding and taking away 1.5 * 2^20 times y's power
// of two (at least 2^-6, where the subnormals' even steps begin) leaves three bits of mantissa, rounded to even.
MINKE_INLINE vf round_e4m3(vf y) {
  vf limited = vmin(set1(kE4m3Max), vmax(set1(-kE4m3Max), y));
  vf magic = vmax(floats(bits(limited) & 0x7f800000), set1(0.015625f)) * 1572864.0f;
  vf value = (limited + magic) - magic;
  return floats(bits(value) | (bits(y) & int32_t(0x80000000)));
}

// Codes in integer lanes to their values.
MINKE_INLINE vf decode_e4m3(vi code) {
  vi magnitude = code & 0x7f;
  vf normal = floats((magnitude << 20) + (120 << 23));
  vf tiny = to_floats(magnitude) * 0.001953125f;
  vf value = magnitude < 8 ? tiny : normal;
  value = magnitude == 0x7f ? floats(set1i(0x7fc00000)) : value;
  return floats(bits(value) | ((code & 0x80) << 24));
}

typedef uint8_t vb __attribute__((vector_size(W)));
typedef uint8_t vb_at __attribute__((vector_size(W), aligned(1), may_alias));

// The low bytes of integer lanes; g++ 12 would take them one by one.
#if defined(MINKE_AVX512)
MINKE_INLINE vb narrow_bytes(vi code) { return (vb)_mm512_cvtepi32_epi8((__m512i)code); }
#elif defined(MINKE_AVX2)
MINKE_INLINE vb narrow_bytes(vi code) {
  __m256i low = _mm256_and_si256((__m256i)code, _mm256_set1_epi32(255));
  __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  return (vb)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
}
#else
MINKE_INLINE vb narrow_bytes(vi code) { return __builtin_convertvector(code, vb); }
#endif

MINKE_INLINE vf load(const e4m3* p) {
  return decode_e4m3(__builtin_convertvector(*reinterpret_cast<const vb_at*>(p), vi));
}
MINKE_INLINE vf load_n(const e4m3* p, i64 n) {
  if (n >= W) return load(p);
#if defined(MINKE_AVX512)
  return decode_e4m3((vi)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(first(n), will_load(p, n, W))));
#endif
  vi codes = {};
  for (i64 i = 0; i < n; i++) codes[i] = p[i];
  return decode_e4m3(codes);
}

#if defined(MINKE_BF16) || defined(MINKE_TILES)
// 64 codes to 64 bf16, exactly, by byte tables: the lower seven bits of a code choose both bytes of its bf16. Without
// permutations of bytes (VBMI), tables hold the codes below 8, and the others are shifted into place.
struct E4m3Table {
#if defined(__AVX512VBMI__)
  static constexpr int kCodes = 128;
#else
  static constexpr int kCodes = 16;
#endif
  __m512i low[2], high[2];
  E4m3Table() {
    alignas(64) uint8_t bytes[2][128];
    for (int code = 0; code < 128; code++) {
      vi lanes = set1i(code % kCodes);
      uint32_t half = uint32_t(bits(decode_e4m3(lanes))[0]) >> 16;
      bytes[0][code] = uint8_t(half);
      bytes[1][code] = uint8_t(half >> 8);
    }
    for (int i = 0; i < 2; i++) {
      low[i] = _mm512_load_si512(bytes[0] + 64 * i);
      high[i] = _mm512_load_si512(bytes[1] + 64 * i);
    }
  }
  MINKE_INLINE void look_up(__m512i codes, __m512i& l, __m512i& h) const {
#if defined(__AVX512VBMI__)
    l = _mm512_permutex2var_epi8(low[0], codes, low[1]);
    h = _mm512_permutex2var_epi8(high[0], codes, high[1]);
#else
    __m512i magnitude = _mm512_and_si512(codes, _mm512_set1_epi8(0x7f));
    __mmask64 tiny = _mm512_cmplt_epi8_mask(magnitude, _mm512_set1_epi8(8));
    __mmask64 none = _mm512_cmpeq_epi8_mask(magnitude, _mm512_set1_epi8(0x7f));
    // The two bytes of a normal code are magnitude * 16 + 0x3c00.
    l = _mm512_and_si512(_mm512_slli_epi16(magnitude, 4), _mm512_set1_epi8(char(0xf0)));
    h = _mm512_and_si512(_mm512_srli_epi16(magnitude, 4), _mm512_set1_epi8(0x07));
    h = _mm512_add_epi8(h, _mm512_set1_epi8(0x3c));
    l = _mm512_mask_shuffle_epi8(l, tiny, low[0], magnitude);
    h = _mm512_mask_shuffle_epi8(h, tiny, high[0], magnitude);
    l = _mm512_mask_mov_epi8(l, none, _mm512_set1_epi8(char(0xc0)));
    h = _mm512_mask_mov_epi8(h, none, _mm512_set1_epi8(0x7f));
#endif
  }
  // The halves of each 16 codes (a 128-bit lane): codes 0-7 of every lane to `first`, 8-15 to `second`.
  void decode(__m512i codes, __m512i& first, __m512i& second) const {
    __m512i l, h;
    look_up(codes, l, h);
    h = _mm512_ternarylogic_epi32(h, codes, _mm512_set1_epi8(char(0x80)), 0xf8);  // h | (codes & sign)
    first = _mm512_unpacklo_epi8(l, h);
    second = _mm512_unpackhi_epi8(l, h);
  }
};

inline const E4m3Table& e4m3_table() {
  static const E4m3Table table;
  return table;
}

// 64 codes to 64 bf16 in order.
MINKE_INLINE void decode_codes(const E4m3Table& table, __m512i codes, bf16* to) {
  __m512i first, second;
  table.decode(_mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), codes), first, second);
  _mm512_storeu_si512(to, first);
  _mm512_storeu_si512(to + 32, second);
}
#endif

}  // namespace minke::MINKE_ISA
