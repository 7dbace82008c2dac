// The row blocks of a grouped product, listed: only groups that have rows cost anything, and a task finds its block at
// once. One task writes the list into the workspace after checking the offsets; later phases read it.
#pragma once
#include "gemm-plan.h"

namespace minke::MINKE_ISA::gemm {

struct BlockList {
  int32_t count;  // of blocks
  int32_t most;   // rows in one of them
  struct {
    int32_t group, first;
  } block[1];  // as many as `count`

  // Cuts groups into blocks of at most `size` rows.
  void write(const int32_t* offsets, i64 groups, i64 size) {
    count = most = 0;
    for (i64 g = 0; g < groups; g++)
      for (i64 first = offsets[g]; first < offsets[g + 1]; first += size) {
        most = int32_t(larger(most, smaller(size, offsets[g + 1] - first)));
        block[count].group = int32_t(g);
        block[count++].first = int32_t(first);
      }
  }
  Rows at(i64 i, const int32_t* offsets, i64 size) const {
    i64 group = block[i].group, first = block[i].first;
    return {group, first, smaller(size, offsets[group + 1] - first)};
  }
  // Part s of block i in parts of `rows`; empty (a count below 1) when the block is shorter.
  Rows slice(i64 i, i64 s, const int32_t* offsets, i64 size, i64 rows) const {
    Rows whole = at(i, offsets, size);
    return {whole.group, whole.first + s * rows, smaller(rows, whole.count - s * rows)};
  }
};

}  // namespace minke::MINKE_ISA::gemm
