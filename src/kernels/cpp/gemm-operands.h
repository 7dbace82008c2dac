// The operands of a product, dense or grouped: the fields of its command, where B's words come from, and its scales.
#pragma once
#include "gemm-panel.h"
#include "row-blocks.h"

namespace minke::MINKE_ISA::gemm {

enum class Layout { nt, nn, tn, panel };

template <Layout layout, Mode mode>
struct Operands {
  const void *a, *b;
  const float* b_scales;   // of weight codes, [ceil(rows/128)][ceil(columns/128)] as B is stored; else absent
  const int32_t* offsets;  // absent: one group
  void *c, *workspace;
  i64 m, n, k, groups, lda, ldb, ldc, a_type, b_type, c_type, accumulate;

  static constexpr bool by_reduction = layout == Layout::tn;

  i64 reduction(i64 group) const { return by_reduction && offsets ? offsets[group + 1] - offsets[group] : k; }
  i64 start(i64 group) const { return by_reduction && offsets ? offsets[group] : 0; }
  bool listed() const { return offsets && !by_reduction; }  // row blocks

  // Block `slot` of `size` rows of C; every group of TN has m rows.
  Rows rows_at(i64 size, i64 slot) const {
    i64 each = blocks(m, size), first = slot % each * size;
    return {slot / each, first, smaller(size, m - first)};
  }
  i64 row_slots(i64 size) const { return (by_reduction ? groups : 1) * blocks(m, size); }

  // Where B stores a block of panels for one block of the reduction.
  Ahead stored_block(i64 group, i64 column, i64 columns, i64 step, i64 steps) const {
    if constexpr (layout == Layout::panel) {
      i64 bytes = kPanel * element_bytes<mode>;
      return {panel_at<mode>(b, group, n, k, column) + step * bytes, blocks(columns, kPanel), steps * bytes,
              panel_bytes<mode>(k)};
    } else {
      const char* data = weights(group);
      i64 width = width_of(b_type), from = start(group) + step;
      if (layout == Layout::nt) return {data + (column * ldb + from) * width, columns, steps * width, ldb * width};
      return {data + (from * ldb + column) * width, steps, columns * width, ldb * width};
    }
  }

  static i64 width_of(i64 type) { return type == kTypeBf16 ? 2 : type == kTypeE4m3 ? 1 : 4; }
  const char* weights(i64 group) const {
    return static_cast<const char*>(b) + (by_reduction ? 0 : group * n * k * width_of(b_type));
  }

  // The words of panel p (output columns from `column`) for some steps: where they are packed, or packed into scratch.
  template <class Scratch>
  const float* panel_words(i64 group, i64 column, i64 p, i64 step, i64 steps, Scratch& scratch) const {
    if (mode == Mode::fp8 && layout != Layout::tn)
      spread_weight_scales(group, column, step, steps, scratch.scales_of(p));
    if constexpr (layout == Layout::panel) {
      return unpack_panel<mode>(panel_at<mode>(b, group, n, k, column), step, steps, scratch.words_of_panel(p));
    } else {
      Source source = {weights(group), ldb, b_type};
      pack<mode, layout != Layout::nt>(source, column, smaller(kPanel, n - column), start(group) + step, steps,
                                       scratch.words_of_panel(p), kPanel, scratch.scales_of(p), scratch.temporary);
      return scratch.words_of_panel(p);
    }
  }

  // Scale of the 128 x 128 block of the stored weight that holds this output column and reduction step.
  const float* weight_scale(i64 group, i64 column, i64 step) const {
    bool rows_are_outputs = layout != Layout::nn;
    i64 down = blocks(rows_are_outputs ? n : k, kTile), across = blocks(rows_are_outputs ? k : n, kTile);
    i64 i = (rows_are_outputs ? column : step) / kTile, j = (rows_are_outputs ? step : column) / kTile;
    return b_scales + (group * down + i) * across + j;
  }

  void spread_weight_scales(i64 group, i64 column, i64 step, i64 steps, float* scales) const {
    for (i64 tile = 0; tile < steps; tile += kTile)
      for (int v = 0; v < 2; v++)
        store(scales + (tile / kTile) * kPanel + v * W, set1(*weight_scale(group, column, step + tile)));
  }
};

// The names of a product's operands in a struct that derives from them.
#define MINKE_OPERANDS(layout, mode)                                                                               \
  using Base = Operands<layout, mode>;                                                                             \
  using Base::a, Base::b, Base::b_scales, Base::offsets, Base::c, Base::workspace, Base::m, Base::n, Base::k;      \
  using Base::groups, Base::lda, Base::ldb, Base::ldc, Base::a_type, Base::b_type, Base::c_type, Base::accumulate; \
  using Base::by_reduction, Base::reduction, Base::start, Base::listed, Base::rows_at, Base::row_slots;            \
  using Base::stored_block, Base::panel_words, Base::weight_scale;

}  // namespace minke::MINKE_ISA::gemm
