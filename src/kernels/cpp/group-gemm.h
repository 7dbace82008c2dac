// GEMM against weights in blocks along the reduction, dense and grouped by expert: C[m,n] = sum_k A[m,k] B[n,k], where
// A is quantized to int8 in groups of 32 (group-dot.h); k is whole blocks.
//
// Phases: list the row blocks (grouped), quantize A into the workspace, compute blocks of C. Few rows read a panel in
// place, as one sequential run. Many rows go over pieces of a panel that stay in L1, widened once for all of them. What
// differs between formats is a type `Weights`: group-weights of gemm-groups.cc and gemm-blocks.cc. Left out: split K,
// rows of A kept quantized for a second weight.
#pragma once
#include "group-dot.h"
#include "row-blocks.h"
#include "vectors.h"

namespace minke::MINKE_ISA::gemm {

constexpr i64 kPieceGroups = 16;        // of a panel at a time: 17 to 25 KB in L1
constexpr i64 kPackElements = 1 << 16;  // of A that one task quantizes, at most

template <i64 bytes>
struct GroupScratch {
  char panel[bytes];
  float sums[kBlockRows * kPanel];
};
static_assert(2 * kWideRows <= kBlockRows);

template <class Weights, bool grouped>
struct GroupGemm {
  const void* a;
  const char* panels;
  const int32_t* offsets;  // of a grouped product
  void *c, *workspace;
  i64 m, n, k, groups, lda, ldc, a_type, c_type, accumulate;

  static constexpr int phases = 3;
  typedef GroupScratch<Weights::kPieceBytes> Scratch;
  static_assert(sizeof(Scratch) <= kScratchBytes);

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
              *reinterpret_cast<Scratch*>(worker.scratch));
    }
  }

 private:
  i64 words_of_row() const { return k / kGroupSize * Weights::kRowWords; }
  int32_t* packed(i64 row) const { return static_cast<int32_t*>(workspace) + row * words_of_row(); }
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
            quantize_group<Weights::kParts>(from + g * kGroupSize, Weights::kBias, to + g * height * Weights::kRowWords,
                                            height, r);
        }
      }
    });
  }

  void compute(const Rows& rows, i64 column_block, const Tuning& tuning, Scratch& scratch) const {
    i64 first = column_block * task_panels() * kPanel;
    i64 last = smaller(n, first + task_panels() * kPanel);
    i64 width = rows.count <= Weights::kWideRows && tuning.panels > 1 ? 2 * kPanel : kPanel;
    i64 bytes = Weights::panel_bytes(k);
    for (i64 column = first; column < last; column += width) {
      i64 columns = smaller(width, last - column);
      const char* panel = panels + (rows.group * blocks(n, kPanel) + column / kPanel) * bytes;
      Output output = {c, ldc, c_type, accumulate != 0};
      i64 ld;
      float* sums = output.begin(rows.first, rows.count, column, columns, scratch.sums, &ld);
      Tile tile = {sums, ld, columns, !accumulate};
      if (rows.count <= Weights::kStreamRows)
        Weights::stream(packed(rows.first), {panel, bytes, tuning.ahead}, tuning.streams != 0, k, rows.count, tile);
      else
        multiply_rows(rows, panel, tile, scratch.panel);
      output.end(rows.first, rows.count, column, columns, sums);
    }
  }

  void multiply_rows(const Rows& rows, const char* panel, const Tile& block, char* widened) const {
    for (i64 group = 0; group < k / kGroupSize; group += kPieceGroups) {
      i64 count = smaller(kPieceGroups, k / kGroupSize - group);
      const char* piece = Weights::widen(panel + Weights::panel_bytes(group * kGroupSize), count, widened);
      for (i64 row = 0; row < rows.count; row += kDotRows) {
        i64 height = smaller(kDotRows, rows.count - row);
        Tile tile = {block.sums + row * block.ld, block.ld, block.columns, group == 0 && block.fresh};
        Weights::multiply(packed(rows.first + row) + group * height * Weights::kRowWords, piece, count, height, tile);
      }
    }
  }
};

template <class Weights>
struct DenseGroupGemm : GroupGemm<Weights, false> {
  static constexpr const char* signature =
      "a:any panels:u8 c:any! workspace:u8! m:int n:int k:int lda:int ldc:int a_type:int c_type:int accumulate:int";
  void fields(Words& w) {
    this->offsets = nullptr;
    this->groups = 1;
    w(this->a, this->panels, this->c, this->workspace, this->m, this->n, this->k, this->lda, this->ldc, this->a_type,
      this->c_type, this->accumulate);
  }
};

template <class Weights>
struct GroupedGroupGemm : GroupGemm<Weights, true> {
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

}  // namespace minke::MINKE_ISA::gemm
