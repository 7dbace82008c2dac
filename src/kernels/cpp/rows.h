// Rows and elements of f32 or bf16: typed access to `any` memory, tasks, and sums over rows in fixed order.
//
// Sums over rows go block by block: kRowBlock rows into a workspace row of their own, then the blocks in order. Neither
// the tasks nor the threads change that order.
#pragma once
#include "vectors.h"

namespace minke::MINKE_ISA {

constexpr i64 kGrain = 32768;       // elements a task: below this a second thread does not pay
constexpr i64 kColumnGrain = 1024;  // columns a task when blocks are folded

inline vf at(const float* p, i64 n) { return n >= W ? load(p) : load_n(p, n); }
inline vf at(const bf16* p, i64 n) { return load_n(p, n); }
inline void put(float* p, vf v, i64 n) { n >= W ? store(p, v) : store_n(p, v, n); }
inline void put(bf16* p, vf v, i64 n) { store_n(p, v, n); }

// An `any` address in the format of the first argument, `offset` elements on.
template <class T>
inline const T* as(T, const void* address, i64 offset) {
  return static_cast<const T*>(address) + offset;
}
template <class T>
inline T* as(T, void* address, i64 offset) {
  return static_cast<T*>(address) + offset;
}

// in_format for two format codes.
template <class Body>
inline void in_formats(i64 a_type, i64 b_type, Body body) {
  in_format(a_type, [&](auto a) { in_format(b_type, [&](auto b) { body(a, b); }); });
}

// a . b
template <class A, class B>
inline float dot(const A* a, const B* b, i64 count) {
  Sum sum;
  for_sums(count, [&](i64 i, i64 n, int j) { sum.part[j] = fma(at(a + i, n), at(b + i, n), sum.part[j]); });
  return sum.total();
}

// Rows that one task takes.
inline i64 row_grain(i64 cols) { return larger(1, kGrain / larger(1, cols)); }
inline i64 row_tasks(i64 rows, i64 cols) { return blocks(rows, row_grain(cols)); }
template <class Body>
inline void for_rows(i64 task, i64 rows, i64 cols, Body body) {
  i64 grain = row_grain(cols), end = smaller(rows, (task + 1) * grain);
  for (i64 r = task * grain; r < end; r++) body(r);
}

// Row blocks that one task takes, and the second phase that adds their workspace rows [row blocks, cols] in order.
inline i64 block_grain(i64 cols) { return larger(1, kGrain / larger(1, cols * kRowBlock)); }
inline i64 block_tasks(i64 rows, i64 cols) { return blocks(blocks(rows, kRowBlock), block_grain(cols)); }
template <class Body>
inline void for_row_blocks(i64 task, i64 rows, i64 cols, Body body) {
  i64 grain = block_grain(cols), end = smaller(blocks(rows, kRowBlock), (task + 1) * grain);
  for (i64 b = task * grain; b < end; b++) body(b, b * kRowBlock, smaller(rows, (b + 1) * kRowBlock));
}
inline void fold_row_blocks(i64 task, const float* workspace, float* out, i64 rows, i64 cols, bool accumulate) {
  i64 count = blocks(rows, kRowBlock);
  for_vectors(task * kColumnGrain, smaller(cols, (task + 1) * kColumnGrain), [&](i64 c, i64 n) {
    vf sum = {};
    for (i64 b = 0; b < count; b++) sum += at(workspace + b * cols + c, n);
    put(out + c, accumulate ? at(out + c, n) + sum : sum, n);
  });
}

}  // namespace minke::MINKE_ISA
