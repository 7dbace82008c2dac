// Panels of ggml's block formats beyond Q8_0 and Q4_0, and how their numbers become bytes for the integer products.
//
// A value is scale * code - minimum (block-formats.ts). A panel holds, block after block: the f16 factor of each column
// [kPanel] (bf16 for MXFP4's powers of two), where there are minimums the f16 factor of theirs, and in super-blocks of
// 256 the integer scales of each group [8 parts][kPanel], then the integer minimums. Then, group of 32 after group,
// words of 4 bytes of one column: 4 words with codes of 4 bits (steps 4i.. in the low halves of word i, 16 + 4i.. in
// the high ones), then a word for each further bit: bit q of its byte b belongs to step 4q + b (for two bits, bits 2q
// and 2q + 1 of the word of q / 4). Codes are unsigned, `bias` above their value; those of a table are looked up, 128
// above.
#pragma once
#include "block-forms.h"
#include "group-dot.h"

namespace minke::MINKE_ISA::gemm {

// 128 above the values of the 16 codes.
alignas(16) constexpr uint8_t kIq4[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
alignas(16) constexpr uint8_t kE2m1[16] = {128, 129, 130, 131, 132, 134, 136, 140,
                                           128, 127, 126, 125, 124, 122, 120, 116};

// Looks up every byte, a code of 4 bits.
MINKE_INLINE vu look_up(Table table, vu codes) {
  const uint8_t* values = table == Table::iq4 ? kIq4 : kE2m1;
#if defined(MINKE_AVX512)
  __m512i all = _mm512_maskz_broadcast_i32x4(0xffff, _mm_load_si128(reinterpret_cast<const __m128i*>(values)));
  return (vu)_mm512_shuffle_epi8(all, (__m512i)codes);
#elif defined(MINKE_AVX2)
  __m256i all = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(values)));
  return (vu)_mm256_shuffle_epi8(all, (__m256i)codes);
#elif defined(MINKE_NEON)
  return (vu)vqtbl1q_u8(vld1q_u8(values), (uint8x16_t)codes);
#else
  return (vu)wasm_i8x16_swizzle(wasm_v128_load(values), (v128_t)codes);
#endif
}

// The codes of steps 4q to 4q + 3, a byte each; words: those of one vector of columns.
template <Blocks blocks>
MINKE_INLINE vu codes_at(const vu* words, int q) {
  constexpr Form form = form_of(blocks);
  vu codes = (q < 4 ? words[q] : words[q - 4] >> 4) & 0x0f0f0f0f;
  if constexpr (form.bits == 5) codes |= ((words[4] >> q) & 0x01010101) << 4;
  if constexpr (form.bits == 6) codes |= ((words[4 + q / 4] >> (2 * (q % 4))) & 0x03030303) << 4;
  if constexpr (form.table != Table::none) codes = look_up(form.table, codes);
  return codes;
}

// W bytes as numbers.
MINKE_INLINE vf load_bytes(const void* p, bool is_signed) {
  typedef uint8_t bytes_at __attribute__((vector_size(W), aligned(1), may_alias));
  typedef int8_t signed_at __attribute__((vector_size(W), aligned(1), may_alias));
  if (is_signed) return to_floats(__builtin_convertvector(*reinterpret_cast<const signed_at*>(p), vi));
  return to_floats(__builtin_convertvector(*reinterpret_cast<const bytes_at*>(p), vi));
}

// Scales, or minimums, of vector v's columns in part `part` of a group: exact in f32.
template <Blocks blocks>
MINKE_INLINE vf factors_at(const char* block, i64 group, int part, int v, bool minimums) {
  constexpr Form form = form_of(blocks);
  const char* factors = block + (minimums ? 2 * kPanel : 0) + v * 2 * W;
  vf factor = blocks == Blocks::mxfp4 ? load(reinterpret_cast<const bf16*>(factors)) : load_f16(factors);
  if constexpr (!form.super) return factor;
  const char* integers = block + (form.minimums ? 4 : 2) * kPanel + (minimums ? form.scales() * kPanel : 0);
  return factor * load_bytes(integers + (group * form.parts + part) * kPanel + v * W, form.is_signed);
}

// One block of a column before its words are laid out.
struct Column {
  uint16_t factor, minimum_factor;
  uint8_t scales[16], minimums[16], codes[256];
};

inline void read_halves(const uint8_t* from, int count, uint8_t* codes) {
  for (int i = 0; i < count; i++) {
    codes[i] = from[i] & 15;
    codes[count + i] = from[i] >> 4;
  }
}

inline void read_pairs(const uint8_t* s, Column& c) {
  for (int j = 0; j < 4; j++) {
    c.scales[j] = s[j] & 63;
    c.minimums[j] = s[j + 4] & 63;
    c.scales[j + 4] = uint8_t((s[j + 8] & 15) | (s[j] >> 6 << 4));
    c.minimums[j + 4] = uint8_t((s[j + 8] >> 4) | (s[j + 4] >> 6 << 4));
  }
}

inline void read_quarters(const uint8_t* from, uint8_t* codes) {
  for (int h = 0; h < 2; h++)
    for (int j = 0; j < 4; j++)
      for (int l = 0; l < 32; l++) codes[128 * h + 32 * j + l] = (from[32 * h + l] >> (2 * j)) & 3;
}

inline uint16_t half_at(const uint8_t* p) { return uint16_t(p[0] | p[1] << 8); }

// A block of 32 values: `head` bytes, then a fifth bit of each code where there is one.
inline void read_small(const uint8_t* b, int head, bool fifth, Column& c) {
  const uint8_t* bits = b + head;
  read_halves(bits + (fifth ? 4 : 0), 16, c.codes);
  for (int i = 0; fifth && i < 32; i++) c.codes[i] |= uint8_t((bits[i / 8] >> (i % 8) & 1) << 4);
}

// The same numbers as block-formats.ts reads, with integers still apart from their factors.
template <Blocks blocks>
inline void read_block(const uint8_t* b, Column& c) {
  c.factor = half_at(b);
  if constexpr (blocks == Blocks::q4_1 || blocks == Blocks::q5_1) {
    c.minimum_factor = half_at(b + 2) ^ 0x8000;  // they are added in files
    read_small(b, 4, blocks == Blocks::q5_1, c);
  } else if constexpr (blocks == Blocks::q5_0 || blocks == Blocks::iq4_nl) {
    read_small(b, 2, blocks == Blocks::q5_0, c);
  } else if constexpr (blocks == Blocks::mxfp4) {
    c.factor = uint16_t(b[0] > 1 ? (b[0] - 1) << 7 : 0x20 << b[0]);  // 2^(e - 128) as bf16
    read_small(b, 1, false, c);
  } else if constexpr (blocks == Blocks::q2_K) {
    for (int i = 0; i < 16; i++) {
      c.scales[i] = b[i] & 15;
      c.minimums[i] = b[i] >> 4;
    }
    read_quarters(b + 16, c.codes);
    c.factor = half_at(b + 80);
    c.minimum_factor = half_at(b + 82);
  } else if constexpr (blocks == Blocks::q3_K) {
    const uint8_t* s = b + 96;
    for (int i = 0; i < 16; i++)
      c.scales[i] = uint8_t(((i < 8 ? s[i] & 15 : s[i - 8] >> 4) | (s[8 + i % 4] >> (2 * (i / 4)) & 3) << 4) - 32);
    read_quarters(b + 32, c.codes);
    for (int i = 0; i < 256; i++) c.codes[i] |= uint8_t((b[i % 32] >> (i / 32) & 1) << 2);
    c.factor = half_at(b + 108);
  } else if constexpr (blocks == Blocks::q4_K || blocks == Blocks::q5_K) {
    c.minimum_factor = half_at(b + 2);
    read_pairs(b + 4, c);
    const uint8_t* codes = b + (blocks == Blocks::q4_K ? 16 : 48);
    for (int i = 0; i < 4; i++) read_halves(codes + 32 * i, 32, c.codes + 64 * i);
    for (int i = 0; blocks == Blocks::q5_K && i < 256; i++)
      c.codes[i] |= uint8_t((b[16 + i % 32] >> (i / 32) & 1) << 4);
  } else if constexpr (blocks == Blocks::q6_K) {
    for (int h = 0; h < 2; h++) {
      read_halves(b + 64 * h, 64, c.codes + 128 * h);
      for (int i = 0; i < 128; i++)
        c.codes[128 * h + i] |= uint8_t((b[128 + 32 * h + i % 32] >> (2 * (i / 32)) & 3) << 4);
    }
    __builtin_memcpy(c.scales, b + 192, 16);
    c.factor = half_at(b + 208);
  } else {
    uint16_t high = half_at(b + 2);
    for (int j = 0; j < 8; j++) {
      c.scales[j] = uint8_t(((b[4 + j / 2] >> (4 * (j % 2)) & 15) | (high >> (2 * j) & 3) << 4) - 32);
      read_halves(b + 8 + 16 * j, 16, c.codes + 32 * j);
    }
  }
}

// Lays a block out as a column of a panel's block.
template <Blocks blocks>
inline void write_column(const Column& c, char* block, i64 column) {
  constexpr Form form = form_of(blocks);
  __builtin_memcpy(block + 2 * column, &c.factor, 2);
  if constexpr (form.minimums) __builtin_memcpy(block + 2 * kPanel + 2 * column, &c.minimum_factor, 2);
  char* integers = block + (form.minimums ? 4 : 2) * kPanel + column;
  for (int i = 0; i < form.scales(); i++) integers[i * kPanel] = char(c.scales[i]);
  if constexpr (form.minimums)
    for (int i = 0; i < form.scales(); i++) integers[(form.scales() + i) * kPanel] = char(c.minimums[i]);
  char* words = block + form.header() * kPanel + 4 * column;
  for (i64 group = 0; group < form.groups(); group++, words += 4 * form.words() * kPanel) {
    const uint8_t* codes = c.codes + 32 * group;
    uint32_t steps[8], out[6] = {};
    __builtin_memcpy(steps, codes, 32);
    for (int i = 0; i < 4; i++) out[i] = (steps[i] & 0x0f0f0f0f) | (steps[i + 4] & 0x0f0f0f0f) << 4;
    for (int q = 0; form.bits > 4 && q < 8; q++) {
      uint32_t high = steps[q] >> 4 & 0x03030303;
      out[form.bits == 5 ? 4 : 4 + q / 4] |= high << (form.bits == 5 ? q : 2 * (q % 4));
    }
    for (int i = 0; i < form.words(); i++) __builtin_memcpy(words + i * 4 * kPanel, &out[i], 4);
  }
}

}  // namespace minke::MINKE_ISA::gemm
