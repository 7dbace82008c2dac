// How a GEMM, dense or grouped, falls into tasks, and where its packed operand lies in the workspace.
//
// Dense is grouped with one group. Forward and dgrad (NT, NN, panels): the rows of A and C are sorted by group, group g
// has rows offsets[g] to offsets[g+1] and its own B. Wgrad (TN): the reduction is split by group, each has its own C.
// Nothing here changes the arithmetic of an output, only which task computes it.
#pragma once
#include "gemm-pack.h"

namespace minke::MINKE_ISA::gemm {

#if defined(MINKE_WASM)
constexpr i64 kBlockWords = 512;  // nothing is prefetched: a panel and its rows lie in L1
#else
constexpr i64 kBlockWords = 1024;  // of the reduction: long chains, so that C is seldom touched
#endif
constexpr i64 kBlockPanels = 2;         // of B at a time, packed into scratch (L2)
constexpr i64 kBlockRows = 64 * kRows;  // of A in a task, at most
constexpr i64 kLeastRows = 16 * kRows;  // below this packing B again for each task shows
constexpr i64 kEnoughTasks = 8;         // so that the last one does not keep a thread waiting for long
constexpr i64 kPackRows = 4 * kRows;    // of A in a packing task
constexpr i64 kPackSteps = 512;         // of the reduction packed at a time
constexpr i64 kFewRows = 4;             // up to here weights stream through registers, two panels at a time
constexpr double kLeastFlops = 5e5;     // a task below this is not worth a second thread

struct Rows {
  i64 group, first, count;
};

// Rows of a task: about as many in each, and enough tasks together with the `others` that columns and groups make.
inline i64 rows_per_task(i64 rows, i64 others) {
  i64 most = blocks(rows, kLeastRows);
  i64 tasks = larger(blocks(rows, kBlockRows), smaller(most, blocks(kEnoughTasks, others)));
  return larger(blocks(blocks(rows, larger(tasks, 1)), kRows) * kRows, kRows);
}

// False after reporting offsets that do not ascend from 0 to rows.
inline bool check_offsets(const int32_t* offsets, i64 groups, i64 rows, Worker& worker) {
  for (i64 g = 0; g <= groups; g++) {
    bool wrong =
        offsets[g] < (g ? offsets[g - 1] : 0) || (g == 0 && offsets[0] != 0) || (g == groups && offsets[g] != rows);
    if (!wrong) continue;
    worker.fail(kBadOffsets, g, offsets[g], rows);
    return false;
  }
  return true;
}

// One block of C as the micro-kernel sees it: C itself when it is f32, else f32 sums in scratch until the end.
struct Output {
  void* c;
  i64 ld, type;
  bool accumulate;

  float* begin(i64 row, i64 rows, i64 column, i64 columns, float* scratch, i64* sums_ld) const {
    if (type == kTypeF32) {
      *sums_ld = ld;
      return static_cast<float*>(c) + row * ld + column;
    }
    *sums_ld = columns;
    if (accumulate)
      for (i64 r = 0; r < rows; r++)
        for (i64 i = 0; i < columns; i += W)
          store_n(scratch + r * columns + i, load_n(half(row + r, column + i), columns - i), columns - i);
    return scratch;
  }

  void end(i64 row, i64 rows, i64 column, i64 columns, const float* sums) const {
    if (type == kTypeF32) return;
    for (i64 r = 0; r < rows; r++)
      for (i64 i = 0; i < columns; i += W)
        store_n(half(row + r, column + i), load_n(sums + r * columns + i, columns - i), columns - i);
  }

 private:
  bf16* half(i64 row, i64 column) const { return static_cast<bf16*>(c) + row * ld + column; }
};

// Panels of a task: a block of them, or as many blocks as it takes to be worth a second thread; one panel where blocks
// would be too few tasks.
inline i64 panels_per_task(i64 rows, i64 n, i64 k) {
  double flops_of_block = 2.0 * double(smaller(rows, kBlockRows)) * kBlockPanels * kPanel * double(k);
  i64 worth = (i64(kLeastFlops / (flops_of_block + 1)) + 1) * kBlockPanels;
  i64 tasks = blocks(rows, kLeastRows) * blocks(n, kBlockPanels * kPanel);
  if (tasks < kEnoughTasks && flops_of_block > kBlockPanels * kLeastFlops) worth = 1;
  return smaller(blocks(n, kPanel), worth);
}

// Scratch of a computing task.
struct GemmScratch {
  float words[kBlockPanels][kBlockWords * kPanel];
  float scales[kBlockPanels][blocks(kBlockWords * 2, kTile) * kPanel];
  float temporary[kBlockWords * kPanel];
  float sums[kBlockRows * kBlockPanels * kPanel];

  float* words_of_panel(i64 p) { return words[p]; }
  float* scales_of(i64 p) { return scales[p]; }
};
static_assert(sizeof(GemmScratch) <= kScratchBytes);
static_assert(kPackSteps * kPanel * 4 <= kScratchBytes);

}  // namespace minke::MINKE_ISA::gemm
