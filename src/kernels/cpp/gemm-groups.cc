// GEMM against int8 and int4 weights with a scale for each 32 of the reduction, dense and grouped by expert, and the
// making of such weights. C[m,n] = sum_k A[m,k] B[n,k], arithmetic and panels as in group-dot.h; k whole groups of 32.
//
// Phases: list the row blocks (grouped), quantize A into the workspace, compute blocks of C. Few rows read a panel in
// place, as one sequential run. Many rows go over blocks of a panel that stay in L1; int4 is widened once for all of
// them. Left out: split K, rows of A kept quantized for a second weight.
#include "apart.h"
#include "group-dot.h"
#include "row-blocks.h"
#include "vectors.h"

namespace minke::MINKE_ISA::gemm {

constexpr i64 kBlockGroups = 16;        // of a panel at a time: 17 KB in L1
constexpr i64 kPackElements = 1 << 16;  // of A that one task quantizes, at most

struct GroupScratch {
  char panel[kBlockGroups * group_bytes(Codes::int8)];
  float sums[kBlockRows * kPanel];
};
static_assert(2 * kWideRows <= kBlockRows);
static_assert(sizeof(GroupScratch) <= kScratchBytes);

template <Codes codes, bool grouped>
struct GroupGemm {
  const void* a;
  const char* panels;
  const int32_t* offsets;  // of a grouped product
  void *c, *workspace;
  i64 m, n, k, groups, lda, ldc, a_type, c_type, accumulate;

  static constexpr int phases = 3;

  i64 tasks(int phase) const {
    if (m == 0 || n == 0 || groups == 0) return phase == 0 && grouped ? 1 : 0;
    if (phase == 0) return grouped ? 1 : 0;
    if (phase == 1) return grouped ? list()->count * slices(list()->most) : slices(m);
    return (grouped ? list()->count : blocks(m, task_rows())) * column_blocks();
  }

  void run(int phase, i64 task, Worker& worker) const {
    if (grouped && phase == 0) {
      if (check_offsets(offsets, groups, m, worker) && m > 0) list()->write(offsets, groups, kBlockRows);
    } else if (phase == 1) {
      i64 each = grouped ? slices(list()->most) : slices(m);
      quantize_rows(grouped ? list()->at(task / each, offsets, kBlockRows) : Rows{0, 0, m}, task % each * slice_rows());
    } else {
      compute(rows_at(task / column_blocks()), task % column_blocks(), *worker.tuning,
              *reinterpret_cast<GroupScratch*>(worker.scratch));
    }
  }

 private:
  i64 row_words() const { return k / kGroupSize * kRowWords; }
  int32_t* packed(i64 row) const { return static_cast<int32_t*>(workspace) + row * row_words(); }
  BlockList* list() const { return reinterpret_cast<BlockList*>(packed(m)); }

  i64 slice_rows() const { return larger(kPackElements / larger(k, 1) / kDotRows, 1) * kDotRows; }
  i64 slices(i64 rows) const { return blocks(rows, slice_rows()); }

  i64 task_rows() const { return rows_per_task(m, column_blocks()); }
  i64 task_panels() const { return panels_per_task(grouped ? blocks(m, list()->count) : m, n, k); }
  i64 column_blocks() const { return blocks(n, task_panels() * kPanel); }
  Rows rows_at(i64 block) const {
    if (grouped) return list()->at(block, offsets, kBlockRows);
    i64 first = block * task_rows();
    return {0, first, smaller(task_rows(), m - first)};
  }

  void quantize_rows(const Rows& rows, i64 start) const {
    i64 last = smaller(rows.count, start + slice_rows());
    in_format(a_type, [&](auto format) {
      for (i64 row = start; row < last; row += kDotRows) {
        i64 height = smaller(kDotRows, rows.count - row);
        for (i64 r = 0; r < height; r++) {
          auto* from = static_cast<const decltype(format)*>(a) + (rows.first + row + r) * lda;
          int32_t* to = packed(rows.first + row);
          for (i64 g = 0; g < k / kGroupSize; g++)
            quantize_group(from + g * kGroupSize, bias_of(codes), to + g * height * kRowWords, height, r);
        }
      }
    });
  }

  i64 panel_bytes() const { return k / kGroupSize * group_bytes(codes); }

  void compute(const Rows& rows, i64 column_block, const Tuning& tuning, GroupScratch& scratch) const {
    i64 first = column_block * task_panels() * kPanel;
    i64 last = smaller(n, first + task_panels() * kPanel);
    i64 width = rows.count <= kWideRows && tuning.panels > 1 ? 2 * kPanel : kPanel;
    for (i64 column = first; column < last; column += width) {
      i64 columns = smaller(width, last - column);
      const char* panel = panels + (rows.group * blocks(n, kPanel) + column / kPanel) * panel_bytes();
      Output output = {c, ldc, c_type, accumulate != 0};
      i64 ld;
      float* sums = output.begin(rows.first, rows.count, column, columns, scratch.sums, &ld);
      Tile tile = {sums, ld, columns, !accumulate};
      if (rows.count <= kDotRows)
        stream_panels(rows, {panel, panel_bytes(), tuning.ahead}, tuning.streams != 0, tile);
      else
        multiply_rows(rows, panel, tile, scratch.panel);
      output.end(rows.first, rows.count, column, columns, sums);
    }
  }

  // Few rows take one or two panels as they are stored.
  void stream_panels(const Rows& rows, const Reading& reading, bool streams, const Tile& tile) const {
    bool is_aligned = reinterpret_cast<uintptr_t>(reading.panel) % kStreamAlign == 0;
    if (kStreams && streams && is_aligned)
      multiply_tile<codes, kStreams ? Loads::streamed : Loads::plain>(packed(rows.first), reading, k / kGroupSize,
                                                                      rows.count, tile);
    else
      multiply_tile<codes, Loads::plain>(packed(rows.first), reading, k / kGroupSize, rows.count, tile);
  }

  void multiply_rows(const Rows& rows, const char* panel, const Tile& block, char* widened) const {
    i64 group = 0;
    do {
      i64 count = smaller(kBlockGroups, k / kGroupSize - group);
      const char* part = panel + group * group_bytes(codes);
      if constexpr (codes == Codes::int4) {
        widen_groups(part, count, widened);
        part = widened;
      }
      for (i64 row = 0; row < rows.count; row += kDotRows) {
        i64 height = smaller(kDotRows, rows.count - row);
        Tile tile = {block.sums + row * block.ld, block.ld, block.columns, group == 0 && block.fresh};
        multiply_tile<Codes::int8, Loads::cached>(packed(rows.first + row) + group * height * kRowWords, {part, 0, 0},
                                                  count, height, tile);
      }
      group += count;
    } while (group < k / kGroupSize);
  }

  // Columns of more than one panel come with few rows only.
  template <Codes stored, Loads loads>
  static void multiply_tile(const int32_t* words, const Reading& reading, i64 count, i64 height, const Tile& tile) {
    if (tile.columns > kPanel)
      for_rows<kWideRows>(height, [&]<int R>() { multiply_groups<R, 2, stored, loads>(words, reading, count, tile); });
    else
      for_rows<kDotRows>(height, [&]<int R>() { multiply_groups<R, 1, stored, loads>(words, reading, count, tile); });
  }
};

template <Codes codes>
struct DenseGroupGemm : GroupGemm<codes, false> {
  static constexpr const char* signature =
      "a:any panels:u8 c:any! workspace:u8! m:int n:int k:int lda:int ldc:int a_type:int c_type:int accumulate:int";
  void fields(Words& w) {
    this->offsets = nullptr;
    this->groups = 1;
    w(this->a, this->panels, this->c, this->workspace, this->m, this->n, this->k, this->lda, this->ldc, this->a_type,
      this->c_type, this->accumulate);
  }
};

template <Codes codes>
struct GroupedGroupGemm : GroupGemm<codes, true> {
  static constexpr const char* signature =
      "a:any panels:u8 offsets:i32 c:any! workspace:u8! m:int n:int k:int groups:int a_type:int c_type:int "
      "accumulate:int";
  void fields(Words& w) {
    w(this->a, this->panels, this->offsets, this->c, this->workspace, this->m, this->n, this->k, this->groups,
      this->a_type, this->c_type, this->accumulate);
    this->lda = this->k;
    this->ldc = this->n;
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
    row<DenseGroupGemm<Codes::int8>>("gemm_panel_int8"),
    row<DenseGroupGemm<Codes::int4>>("gemm_panel_int4"),
    row<GroupedGroupGemm<Codes::int8>>("grouped_gemm_panel_int8"),
    row<GroupedGroupGemm<Codes::int4>>("grouped_gemm_panel_int4"),
};

}  // namespace minke::MINKE_ISA::gemm
