// Products of bf16 and FP8 on tile registers, dense and grouped; arithmetic as in tile-product.h.
//
// Two phases, as in gemm.cc: A becomes rows of bf16 in the workspace, filled up to whole blocks of 32 (it is read where
// it lies if it is rows of bf16 already), then blocks of C. A task goes over the reduction in blocks, over its panels,
// and over blocks of 32 rows: a panel is read from L2 for all rows, and the rows stay in L2 for all panels. FP8 is the
// recipe of gemm.cc: sums of 128 from zero, times both scales, added in f32.
#pragma once
#include "gemm-operands.h"
#include "tile-product.h"

namespace minke::MINKE_ISA::gemm {

constexpr i64 kTiledSteps = 1024;      // of the reduction at a time: 64 KB of a panel
constexpr i64 kTiledRows = 256;        // of A in a task, at most: 512 KB
constexpr i64 kTiledPackedRows = 512;  // the same where a task packs its panels itself
constexpr i64 kTiledPanels = 16;       // in a task, at most

struct TiledScratch {
  float words[kTiledSteps / 2 * kPanel];
  float scales[kTiledSteps / kTile * kPanel];
  float temporary[kTiledSteps / 2 * kPanel];
  float sums[kTiledPackedRows * kTiledPanels * kPanel];

  float* words_of_panel(i64) { return words; }
  float* scales_of(i64) { return scales; }
};
static_assert(sizeof(TiledScratch) <= kScratchBytes);

// Lines of a later panel, as many at each step as bring it to L2 in time.
struct PanelAhead {
  Ahead ahead;
  i64 lines;

  PanelAhead(const Ahead& ahead, i64 steps)
      : ahead(ahead), lines(blocks(ahead.rows * blocks(ahead.row_bytes, 64), larger(steps, 1))) {}
  MINKE_INLINE void fetch() {
    for (i64 i = 0; i < lines; i++) ahead.fetch();
  }
};

template <Layout layout, Mode mode>
struct TiledGemm : Operands<layout, mode> {
  MINKE_OPERANDS(layout, mode)

  // -- where rows of A lie --

  bool in_place() const { return mode == Mode::bf16 && a_type == kTypeBf16 && !by_reduction; }
  static i64 row_words(i64 length) { return blocks(length, kUnitSteps) * kUnitWords; }

  // Within TN every group has its own m rows of its own length.
  float* packed(i64 group, i64 row) const {
    i64 before = by_reduction ? (start(group) / kUnitSteps + group) * kUnitWords * m : 0;
    return static_cast<float*>(workspace) + before + row * row_words(reduction(group));
  }
  float* after_words(i64 tiles) const {
    i64 words = by_reduction ? (k / kUnitSteps + groups) * kUnitWords : row_words(k);
    return static_cast<float*>(workspace) + m * (words + tiles);
  }
  float* packed_scales(i64 group, i64 row) const {
    i64 before = by_reduction ? start(group) / kTile + group : 0;
    return after_words(before) + row * blocks(reduction(group), kTile);
  }
  BlockList* list() const { return reinterpret_cast<BlockList*>(after_words(blocks(k, kTile))); }

  // -- tasks --

  static constexpr int phases = 3;
  static constexpr i64 kMostRows = layout == Layout::panel ? kTiledRows : kTiledPackedRows;

  i64 tasks(int phase) const {
    if (m == 0 || n == 0 || groups == 0 || (phase == 1 && in_place())) return 0;
    if (phase == 0) return offsets ? 1 : 0;
    if (phase == 1) return listed() ? list()->count * pack_slices() : row_slots(kProductRows);
    return row_tasks() * column_blocks();
  }
  i64 pack_slices() const { return blocks(list()->most, kProductRows); }
  i64 task_rows() const {
    i64 each = blocks(m, blocks(m, kMostRows));
    return blocks(each, kProductRows) * kProductRows;
  }
  i64 row_tasks() const { return listed() ? list()->count : row_slots(task_rows()); }
  // So many that there are enough tasks, but each is worth a second thread.
  i64 task_panels() const {
    i64 rows = listed() ? blocks(m, list()->count) : smaller(m, task_rows());
    i64 worth = i64(kLeastFlops / (2.0 * double(rows) * kPanel * double(k) + 1)) + 1;
    i64 share = blocks(n, kPanel) * row_tasks() / kEnoughTasks;
    return smaller(blocks(n, kPanel), larger(worth, smaller(share, kTiledPanels)));
  }
  i64 column_blocks() const { return blocks(n, task_panels() * kPanel); }

  void run(int phase, i64 task, Worker& worker) const {
    if (phase == 0) {
      if (check_offsets(offsets, groups, by_reduction ? k : m, worker) && listed())
        list()->write(offsets, groups, kMostRows);
    } else if (phase == 1) {
      i64 each = listed() ? pack_slices() : 1;
      pack_rows(listed() ? list()->slice(task / each, task % each, offsets, kMostRows, kProductRows)
                         : rows_at(kProductRows, task),
                reinterpret_cast<float*>(worker.scratch));
    } else {
      i64 block = task / column_blocks();
      compute(listed() ? list()->at(block, offsets, kMostRows) : rows_at(task_rows(), block), task % column_blocks(),
              *reinterpret_cast<TiledScratch*>(worker.scratch));
    }
  }

  // -- packing: rows of bf16, or of FP8 as bf16 with their scales [row][tile] --

  void pack_rows(const Rows& rows, float* temporary) const {
    i64 length = reduction(rows.group), words = row_words(length);
    if (rows.count <= 0 || length == 0) return;
    for (i64 row = rows.first; row < rows.first + rows.count; row++)  // the last block, before it is written
      __builtin_memset(packed(rows.group, row) + words - kUnitWords, 0, kUnitWords * 4);
    with_type(a_type, [&](auto* typed) {
      auto* data = static_cast<decltype(typed)>(a);
      if constexpr (by_reduction) {
        for (i64 step = 0; step < length; step += kPackSteps)
          turn_rows(data + (start(rows.group) + step) * lda + rows.first, rows, step, temporary);
      } else {
        for (i64 row = rows.first; row < rows.first + rows.count; row++)
          convert_along<mode>(data + row * lda, length, packed(rows.group, row), packed_scales(rows.group, row), 1);
      }
    });
  }

  // Some steps of at most 32 lanes that lie side by side: packed into words, then transposed.
  template <class T>
  void turn_rows(const T* from, const Rows& rows, i64 step, float* temporary) const {
    i64 length = reduction(rows.group), steps = smaller(kPackSteps, length - step);
    float* scales = temporary + kPackSteps / 2 * kPanel;
    pack_across<mode>(from, lda, rows.count, steps, temporary, kPanel, scales);
    transpose_words(temporary, kPanel, blocks(steps, 2), rows.count, packed(rows.group, rows.first) + step / 2,
                    row_words(length));
    if constexpr (mode == Mode::fp8)
      for (i64 r = 0; r < rows.count; r++)
        for (i64 tile = 0; tile * kTile < steps; tile++)
          packed_scales(rows.group, rows.first + r)[step / kTile + tile] = scales[tile * kPanel + r];
  }

  TileA rows_of_a(const Rows& rows, i64 row, i64 step) const {
    i64 height = smaller(kProductRows, rows.count - row);
    if (in_place()) return {static_cast<const bf16*>(a) + (rows.first + row) * lda + step, lda, height};
    const float* words = packed(rows.group, rows.first + row) + step / 2;
    return {reinterpret_cast<const bf16*>(words), 2 * row_words(reduction(rows.group)), height};
  }

  // -- one task: rows of one group times a run of panels --

  void compute(const Rows& rows, i64 column_block, TiledScratch& scratch) const {
    if (rows.count == 0) return;
    i64 first = column_block * task_panels() * kPanel;
    i64 last = smaller(n, first + task_panels() * kPanel);
    i64 length = reduction(rows.group);
    // Few rows read a stored panel once, in one run.
    bool runs = layout == Layout::panel && mode == Mode::bf16 && rows.count <= kProductRows;
    i64 most = runs ? larger(length, 1) : kTiledSteps;
    Output output = {c, ldc, c_type, accumulate != 0};
    i64 c_row = rows.first + (by_reduction ? rows.group * m : 0), ld = 0;
    float* sums = nullptr;
    if (length > most) sums = output.begin(c_row, rows.count, first, last - first, scratch.sums, &ld);
    TileUnit unit;
    i64 step = 0;
    do {
      i64 steps = smaller(most, length - step);
      for (i64 column = first; column < last; column += kPanel) {
        const float* words = panel_words(rows.group, column, 0, step, steps, scratch);
        PanelAhead ahead(next_panel(rows.group, column_block, column, last, step, most),
                         blocks(rows.count, kProductRows) * (steps / kUnitSteps));
        for (i64 row = 0; row < rows.count; row += kProductRows) {
          TileA tall = rows_of_a(rows, row, step);
          i64 columns = smaller(kPanel, last - column);
          if (sums) {
            Tile tile = {sums + row * ld + column - first, ld, columns, step == 0 && !accumulate};
            multiply(unit, tall, words, rows, row, step, steps, tile, ahead, scratch);
          } else {
            alignas(64) float buffer[kProductRows * kPanel];
            i64 pitch;
            float* block = output.begin(c_row + row, tall.rows, column, columns, buffer, &pitch);
            multiply(unit, tall, words, rows, row, step, steps, {block, pitch, columns, !accumulate}, ahead, scratch);
            output.end(c_row + row, tall.rows, column, columns, block);
          }
        }
      }
      step += steps;
    } while (step < length);
    if (sums) output.end(c_row, rows.count, first, last - first, sums);
  }

  void multiply(TileUnit& unit, const TileA& tall, const float* words, const Rows& rows, i64 row, i64 step, i64 steps,
                const Tile& tile, PanelAhead& ahead, const TiledScratch& scratch) const {
    TileB wide = {words, kPanel};
    if (mode == Mode::fp8 && steps > 0) {
      const float* scales = packed_scales(rows.group, rows.first + row) + step / kTile;
      multiply_scaled_tiles(unit, tall, wide, steps, {scales, blocks(reduction(rows.group), kTile), scratch.scales},
                            tile, ahead);
    } else {
      multiply_tiles(unit, tall, wide, steps, tile, ahead);
    }
  }

  // What this thread likely reads after a panel: the next one, the next block of the reduction, or the next task.
  Ahead next_panel(i64 group, i64 column_block, i64 column, i64 last, i64 step, i64 most) const {
    bool task_ends = column + kPanel >= last;
    if (task_ends && step + most < reduction(group)) {
      step += most;
      column = column_block * task_panels() * kPanel;
    } else if (task_ends) {
      group = smaller(group + (column_block + 1) / column_blocks(), groups - 1);
      column = (column_block + 1) % column_blocks() * task_panels() * kPanel;
      step = 0;
    } else {
      column += kPanel;
    }
    return stored_block(group, column, smaller(kPanel, n - column), step, smaller(most, reduction(group) - step));
  }
};

}  // namespace minke::MINKE_ISA::gemm
