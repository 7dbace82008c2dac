// Products of ggml's block formats: the arithmetic of group-dot.h with a scale, and perhaps a minimum, for each 32 or
// 16 of the reduction.
//
// For every group that shares a scale, in ascending order: sum = fma(float(isum), a_scale * scale, sum), where isum is
// the exact sum of products of codes; then, where there are minimums, sum = fma(-float(asum), a_scale * minimum, sum),
// where asum is the sum of the activations' codes. One row reads a panel in place. More rows multiply by groups that
// were widened once, to bytes and f32 factors: scales [parts][kPanel], minimums likewise, words [8][kPanel].
#pragma once
#include "block-panels.h"

namespace minke::MINKE_ISA::gemm {

// Words of one row of activations in a group: codes, scale, and an edge for each part: where isum starts (minus the
// bias times asum), or asum itself where there are minimums, whose codes have no bias.
constexpr i64 row_words(int parts) { return kQuads * kQuadWords + 1 + parts; }
constexpr i64 wide_bytes(int parts, bool minimums) { return 4 * kPanel * (kQuads + parts * (minimums ? 2 : 1)); }

template <Blocks blocks>
MINKE_TILE void stream_blocks(const int32_t* a, const char* panel, i64 ahead, i64 count, const Tile& tile) {
  constexpr Form form = form_of(blocks);
  constexpr int half = kQuads / 2, kWords = form.words();
  vf total[1][2];
  load_sums<1, 1>(total, tile);
  for (const char* end = panel + count * form.bytes() * kPanel; panel != end; panel += form.bytes() * kPanel) {
    const char* words = panel + form.header() * kPanel;
    for (i64 fetched = 0; fetched < form.header() * kPanel; fetched += 64) fetch<Loads::plain>(panel + ahead + fetched);
    for (i64 group = 0; group < form.groups();
         group++, words += 4 * form.words() * kPanel, a += row_words(form.parts)) {
      float a_scale;
      __builtin_memcpy(&a_scale, a + kQuads * kQuadWords, 4);
      const int32_t* edges = a + kQuads * kQuadWords + 1;
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        vu word[kWords];
#pragma GCC unroll 8
        for (int i = 0; i < kWords; i++) {
          const char* at = words + (2 * i + v) * 4 * W;
          fetch<Loads::plain>(at + ahead);
          word[i] = load_words(at);
        }
        vi isum[2] = {set1i(form.minimums ? 0 : edges[0]),
                      set1i(form.minimums || form.parts == 1 ? 0 : edges[form.parts - 1])};
#pragma GCC unroll 8
        for (int q = 0; q < kQuads; q++)
          isum[q / half] = Quad(codes_at<blocks>(word, q)).dot(isum[q / half], a + q * kQuadWords, 1);
        if (form.parts == 1) isum[0] += isum[1];
#pragma GCC unroll 2
        for (int part = 0; part < form.parts; part++) {
          vf scale = set1(a_scale) * factors_at<blocks>(panel, group, part, v, false);
          total[0][v] = fma(to_floats(isum[part]), scale, total[0][v]);
          if constexpr (form.minimums) {
            vf minimum = set1(a_scale) * factors_at<blocks>(panel, group, part, v, true);
            total[0][v] = fma(set1(-float(edges[part])), minimum, total[0][v]);
          }
        }
      }
    }
  }
  store_sums<1, 1>(total, tile);
}

// Some blocks of a panel as bytes with f32 factors, group after group.
template <Blocks blocks>
inline void widen_blocks(const char* panel, i64 count, char* to) {
  constexpr Form form = form_of(blocks);
  for (const char* end = panel + count * form.bytes() * kPanel; panel != end; panel += form.bytes() * kPanel) {
    const char* words = panel + form.header() * kPanel;
    for (i64 group = 0; group < form.groups(); group++, words += 4 * form.words() * kPanel) {
      float* factors = reinterpret_cast<float*>(to);
      for (int v = 0; v < 2; v++) {
        for (int part = 0; part < form.parts; part++) {
          store(factors + part * kPanel + v * W, factors_at<blocks>(panel, group, part, v, false));
          if constexpr (form.minimums)
            store(factors + (form.parts + part) * kPanel + v * W, factors_at<blocks>(panel, group, part, v, true));
        }
        vu word[form.words()];
        for (int i = 0; i < form.words(); i++) word[i] = load_words(words + (2 * i + v) * 4 * W);
        char* codes = to + 4 * kPanel * form.parts * (form.minimums ? 2 : 1);
#pragma GCC unroll 8
        for (int q = 0; q < kQuads; q++)
          *reinterpret_cast<vu_at*>(codes + (2 * q + v) * 4 * W) = codes_at<blocks>(word, q);
      }
      to += wide_bytes(form.parts, form.minimums);
    }
  }
}

// R rows times some widened groups.
template <int R, int parts, bool minimums>
MINKE_TILE void multiply_wide(const int32_t* a, const char* wide, i64 groups, const Tile& tile) {
  vf total[R][2];
  load_sums<R, 1>(total, tile);
  for (const int32_t* end = a + groups * R * row_words(parts); a != end;
       a += R * row_words(parts), wide += wide_bytes(parts, minimums)) {
    const float* a_scales = reinterpret_cast<const float*>(a) + R * kQuads * kQuadWords;
    const float* factors = reinterpret_cast<const float*>(wide);
    const char* codes = wide + 4 * kPanel * parts * (minimums ? 2 : 1);
#pragma GCC unroll 2
    for (int part = 0; part < parts; part++) {
      const int32_t* edges = a + R * (kQuads * kQuadWords + 1 + part);
      vi isum[R][2];
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) isum[r][0] = isum[r][1] = set1i(minimums ? 0 : edges[r]);
#pragma GCC unroll 8
      for (int q = part * kQuads / parts; q < (part + 1) * kQuads / parts; q++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++) {
          Quad quad(load_words(codes + (2 * q + v) * 4 * W));
#pragma GCC unroll 8
          for (int r = 0; r < R; r++) isum[r][v] = quad.dot(isum[r][v], a + q * kQuadWords * R + r, R);
        }
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) {
        vf scale = load(factors + part * kPanel + v * W);
#pragma GCC unroll 8
        for (int r = 0; r < R; r++) total[r][v] = fma(to_floats(isum[r][v]), set1(a_scales[r]) * scale, total[r][v]);
        if constexpr (minimums) {
          vf minimum = load(factors + (parts + part) * kPanel + v * W);
#pragma GCC unroll 8
          for (int r = 0; r < R; r++)
            total[r][v] = fma(set1(-float(edges[r])), set1(a_scales[r]) * minimum, total[r][v]);
        }
      }
    }
  }
  store_sums<R, 1>(total, tile);
}

}  // namespace minke::MINKE_ISA::gemm
