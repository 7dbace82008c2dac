// int8 and int4 weights with a scale for each 32 of the reduction (ggml's Q8_0 and Q4_0): their products, dense and
// grouped by expert (group-gemm.h), their rows (panel-rows.h), and the making of such weights. Arithmetic and panels as
// in group-dot.h.
#include "apart.h"
#include "group-gemm.h"
#include "panel-rows.h"

namespace minke::MINKE_ISA::gemm {

template <Codes codes>
struct GroupWeights {
  static constexpr i64 kRowWords = gemm::kRowWords;
  static constexpr int kBias = bias_of(codes), kParts = 1, kWords = codes == Codes::int8 ? kQuads : kQuads / 2;
  static constexpr i64 kPieceBytes = kPieceGroups * group_bytes(Codes::int8);
  static constexpr i64 kWideRows = gemm::kWideRows, kStreamRows = kDotRows;

  static i64 panel_bytes(i64 k) { return k / kGroupSize * group_bytes(codes); }

  // Few rows take one or two panels as they are stored.
  static void stream(const int32_t* words, const Reading& reading, bool streams, i64 k, i64 rows, const Tile& tile) {
    bool is_aligned = reinterpret_cast<uintptr_t>(reading.panel) % kStreamAlign == 0;
    if (kStreams && streams && is_aligned)
      multiply_tile<codes, kStreams ? Loads::streamed : Loads::plain>(words, reading, k / kGroupSize, rows, tile);
    else
      multiply_tile<codes, Loads::plain>(words, reading, k / kGroupSize, rows, tile);
  }

  // Some groups of a panel as int8.
  static const char* widen(const char* panel, i64 count, char* to) {
    if constexpr (codes == Codes::int8) return panel;
    widen_groups(panel, count, to);
    return to;
  }

  // The values of one column in a group.
  static void read_group(const char* panel, i64 group, i64 column, float* values) {
    const char* at = panel + group * group_bytes(codes);
    float scale = load_f16(at + column / W * 2 * W)[column % W];
    for (int q = 0; q < kQuads; q++) {
      uint32_t word;
      __builtin_memcpy(&word, at + 2 * kPanel + 4 * (q % kWords * kPanel + column), 4);
      if (q >= kWords) word >>= 4;
      for (int b = 0; b < 4; b++)
        values[4 * q + b] = scale * float(int(word >> (8 * b) & (codes == Codes::int8 ? 255 : 15)) - kBias);
    }
  }

  static void multiply(const int32_t* words, const char* piece, i64 count, i64 rows, const Tile& tile) {
    multiply_tile<Codes::int8, Loads::cached>(words, {piece, 0, 0}, count, rows, tile);
  }

 private:
  // Columns of more than one panel come with few rows only.
  template <Codes stored, Loads loads>
  static void multiply_tile(const int32_t* words, const Reading& reading, i64 count, i64 height, const Tile& tile) {
    if (tile.columns > kPanel)
      for_rows<gemm::kWideRows>(height,
                                [&]<int R>() { multiply_groups<R, 2, stored, loads>(words, reading, count, tile); });
    else
      for_rows<kDotRows>(height, [&]<int R>() { multiply_groups<R, 1, stored, loads>(words, reading, count, tile); });
  }
};

// Blocks as ggml stores them, rows [groups][n][k / 32], into panels; columns that fill the last panel get scale 0.
template <Codes codes>
struct PackGroups {
  const char* from;
  char* panels;
  i64 n, k, groups;
  static constexpr const char* signature = "blocks:u8 panels:u8! n:int k:int groups:int";
  void fields(Words& w) { w(from, panels, n, k, groups); }
  i64 tasks() const { return groups * blocks(n, kPanel); }
  void run(i64 task, Worker&) const {
    i64 across = k / kGroupSize, column = task % blocks(n, kPanel) * kPanel, columns = smaller(kPanel, n - column);
    const char* rows = from + (task / blocks(n, kPanel) * n + column) * across * block_bytes(codes);
    char* to = panels + task * across * group_bytes(codes);
    for (i64 g = 0; g < across; g++, to += group_bytes(codes)) {
      if (columns < kPanel) __builtin_memset(to, 0, size_t(group_bytes(codes)));
      for (i64 j = 0; j < columns; j++) pack_block(rows + (j * across + g) * block_bytes(codes), to, j);
    }
  }
  static void pack_block(const char* block, char* to, i64 column) {
    constexpr int words = (block_bytes(codes) - 2) / 4;
    __builtin_memcpy(to + 2 * column, block, 2);
    for (int q = 0; q < words; q++) {
      uint32_t word;
      __builtin_memcpy(&word, block + 2 + 4 * q, 4);
      if (codes == Codes::int8) word ^= 0x80808080u;
      __builtin_memcpy(to + 2 * kPanel + 4 * (q * kPanel + column), &word, 4);
    }
  }
};

inline uint32_t word_of(float x) {
  uint32_t u;
  __builtin_memcpy(&u, &x, 4);
  return u;
}

// Rounds to binary16, nearest even.
inline uint16_t to_f16(float x) {
  uint32_t u = word_of(x), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000) return uint16_t(sign | 0x7e00);
  if (magnitude >= 0x477ff000) return uint16_t(sign | 0x7c00);
  if (magnitude < 0x38800000)  // below 2^-14 steps are 2^-24, the last bit of 0.5
    return uint16_t(sign | (word_of((x < 0 ? -x : x) + 0.5f) - 0x3f000000));
  return uint16_t(sign | ((magnitude + 0xfff + (magnitude >> 13 & 1) - 0x38000000) >> 13));
}

// Values in groups of 32 to ggml's Q8_0 and Q4_0 blocks; see reference/gemm-groups.ts.
template <Codes codes>
struct QuantizeGroups {
  const void* x;
  char* to;
  i64 x_type, count;
  static constexpr i64 kGrain = 1024;
  static constexpr const char* signature = "x:any blocks:u8! x_type:int count:int";
  void fields(Words& w) { w(x, to, x_type, count); }
  i64 tasks() const { return blocks(count, kGrain); }
  void run(i64 task, Worker& worker) const {
    in_format(x_type, [&](auto format) {
      for (i64 g = task * kGrain; g < smaller(count, (task + 1) * kGrain); g++)
        quantize_block(static_cast<const decltype(format)*>(x) + g * kGroupSize, to + g * block_bytes(codes), g,
                       worker);
    });
  }
  template <class T>
  static void quantize_block(const T* from, char* block, i64 group, Worker& worker) {
    vf top = {}, bottom = {}, poison = {};
    for (i64 i = 0; i < kGroupSize; i += W) {
      vf x = load(from + i);
      top = vmax(x, top);
      bottom = vmin(x, bottom);
      poison += x * 0.0f;
    }
    float most = reduce_max(top), least = reduce_max(-bottom);
    float step = (codes == Codes::int8 ? larger_of(least, most) : farthest(from, most, least)) /
                 (codes == Codes::int8 ? 127.0f : -8.0f);
    uint16_t half = to_f16(step);
    float nothing = reduce_add(poison);
    if (nothing != nothing || (half & 0x7c00) == 0x7c00) worker.fail(kNotFinite, group, 0, 0);
    __builtin_memcpy(block, &half, 2);
    float inverse = step < kSmallestGroup && step > -kSmallestGroup ? 0 : 1.0f / step;
    alignas(64) int8_t values[kGroupSize];
    for (i64 i = 0; i < kGroupSize; i += W) {
      vf scaled = load(from + i) * inverse;
      vi code;
      if (codes == Codes::int8) {
        vf magnitude = vabs(scaled);
        vi whole = to_ints(magnitude);
        whole = magnitude - to_floats(whole) >= 0.5f ? whole + 1 : whole;
        code = scaled < 0.0f ? -whole : whole;
      } else {
        code = to_ints(vmin(scaled + 8.5f, set1(15.0f)));
      }
      *reinterpret_cast<vb_at*>(values + i) = narrow_bytes(code);
    }
    if (codes == Codes::int8)
      __builtin_memcpy(block + 2, values, kGroupSize);
    else
      for (int i = 0; i < kGroupSize / 2; i++) block[2 + i] = char(values[i] | (values[i + kGroupSize / 2] << 4));
  }
  static float larger_of(float a, float b) { return a > b ? a : b; }
  // The value of largest magnitude; of two, the first.
  template <class T>
  static float farthest(const T* from, float most, float least) {
    if (most != least) return most > least ? most : -least;
    for (i64 i = 0; i < kGroupSize; i++) {
      float x = to_float(from[i]);
      if (x == most || x == -most) return x;
    }
    return 0;
  }
};

constexpr Kernel group_kernels[] = {
    row<QuantizeGroups<Codes::int8>>("quantize_groups_int8"),
    row<QuantizeGroups<Codes::int4>>("quantize_groups_int4"),
    row<PackGroups<Codes::int8>>("pack_panels_int8"),
    row<PackGroups<Codes::int4>>("pack_panels_int4"),
    row<DenseGroupGemm<GroupWeights<Codes::int8>>>("gemm_panel_int8"),
    row<DenseGroupGemm<GroupWeights<Codes::int4>>>("gemm_panel_int4"),
    row<GroupedGroupGemm<GroupWeights<Codes::int8>>>("grouped_gemm_panel_int8"),
    row<GroupedGroupGemm<GroupWeights<Codes::int4>>>("grouped_gemm_panel_int4"),
    row<EmbeddingPanel<GroupWeights<Codes::int8>>>("embedding_panel_int8"),
    row<EmbeddingPanel<GroupWeights<Codes::int4>>>("embedding_panel_int4"),
};

}  // namespace minke::MINKE_ISA::gemm
