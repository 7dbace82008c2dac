// Reductions to one number, to one number a row, and to one row. Sums are f32 in the fixed orders of rows.h; a whole
// tensor is summed in blocks of kSumBlock elements, then the blocks in order.
#include "rows.h"

namespace minke::MINKE_ISA {

constexpr i64 kSumBlocksPerTask = kGrain / kSumBlock;

struct Plain {
  static vf of(vf x) { return x; }
};
struct Square {
  static vf of(vf x) { return x * x; }
};

template <class Term>
struct sum_of {
  const void* x;
  float *out, *workspace;
  i64 n;
  float factor;
  i64 x_type;
  static constexpr int phases = 2;
  static constexpr const char* signature = "x:any out:f32! workspace:f32! n:int factor:float x_type:int";
  void fields(Words& w) { w(x, out, workspace, n, factor, x_type); }
  i64 tasks(int phase) const { return phase == 0 ? blocks(blocks(n, kSumBlock), kSumBlocksPerTask) : 1; }
  void run(int phase, i64 task, Worker&) const {
    i64 count = blocks(n, kSumBlock);
    if (phase == 1) {
      *out = factor * sum_over(count, [&](i64 i, i64 m) { return at(workspace + i, m); });
      return;
    }
    in_format(x_type, [&](auto type) {
      i64 end = smaller(count, (task + 1) * kSumBlocksPerTask);
      for (i64 b = task * kSumBlocksPerTask; b < end; b++) {
        auto block = as(type, x, b * kSumBlock);
        workspace[b] =
            sum_over(smaller(kSumBlock, n - b * kSumBlock), [&](i64 i, i64 m) { return Term::of(at(block + i, m)); });
      }
    });
  }
};

template <class Body>
inline void for_typed_rows(i64 task, const void* x, i64 rows, i64 cols, i64 x_ld, i64 x_type, Body body) {
  in_format(x_type, [&](auto type) { for_rows(task, rows, cols, [&](i64 r) { body(as(type, x, r * x_ld), r); }); });
}

struct row_sum {
  const void* x;
  float* out;
  i64 rows, cols, x_ld, x_type;
  static constexpr const char* signature = "x:any out:f32! rows:int cols:int x_ld:int x_type:int";
  void fields(Words& w) { w(x, out, rows, cols, x_ld, x_type); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    for_typed_rows(task, x, rows, cols, x_ld, x_type,
                   [&](auto row, i64 r) { out[r] = sum_over(cols, [&](i64 i, i64 n) { return at(row + i, n); }); });
  }
};

// out[r] = a[r, :] . b[r, :]
struct row_dot {
  const void *a, *b;
  float* out;
  i64 rows, cols, a_ld, b_ld, a_type, b_type;
  static constexpr const char* signature =
      "a:any b:any out:f32! rows:int cols:int a_ld:int b_ld:int a_type:int b_type:int";
  void fields(Words& w) { w(a, b, out, rows, cols, a_ld, b_ld, a_type, b_type); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    in_formats(a_type, b_type, [&](auto a_tag, auto b_tag) {
      for_rows(task, rows, cols, [&](i64 r) { out[r] = dot(as(a_tag, a, r * a_ld), as(b_tag, b, r * b_ld), cols); });
    });
  }
};

// The lowest index that holds the largest element of a row; of a row with a NaN that of its first one, of nothing 0.
template <class T>
inline int32_t index_of_maximum(const T* row, i64 cols) {
  const vi lane = lane_numbers();
  vf best = set1(-__builtin_inff());
  vi where = {}, odd = {};
  for_vectors(0, cols, [&](i64 c, i64 n) {
    vf v = lane < int32_t(n) ? at(row + c, n) : set1(-__builtin_inff());
    odd |= v != v;
    vi wins = v > best;
    best = vmax(v, best);
    where = wins ? lane + int32_t(c) : where;
  });
  int32_t any = 0;
  for (int k = 0; k < W; k++) any |= odd[k];
  if (any) {
    i64 c = 0;
    while (to_float(row[c]) == to_float(row[c])) c++;
    return int32_t(c);
  }
  int first = 0;
  for (int k = 1; k < W; k++)
    if (best[k] > best[first] || (best[k] == best[first] && where[k] < where[first])) first = k;
  return where[first];
}

struct row_argmax {
  const void* x;
  int32_t* out;
  i64 rows, cols, x_ld, x_type;
  static constexpr const char* signature = "x:any out:i32! rows:int cols:int x_ld:int x_type:int";
  void fields(Words& w) { w(x, out, rows, cols, x_ld, x_type); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    for_typed_rows(task, x, rows, cols, x_ld, x_type, [&](auto row, i64 r) { out[r] = index_of_maximum(row, cols); });
  }
};

// out[c] = sum of x[:, c]: the gradient of a bias.
struct column_sum {
  const void* x;
  float *out, *workspace;
  i64 rows, cols, x_ld, x_type, accumulate;
  static constexpr int phases = 2;
  static constexpr const char* signature =
      "x:any out:f32! workspace:f32! rows:int cols:int x_ld:int x_type:int accumulate:int";
  void fields(Words& w) { w(x, out, workspace, rows, cols, x_ld, x_type, accumulate); }
  i64 tasks(int phase) const { return phase == 0 ? block_tasks(rows, cols) : blocks(cols, kColumnGrain); }
  void run(int phase, i64 task, Worker&) const {
    if (phase == 1) return fold_row_blocks(task, workspace, out, rows, cols, accumulate);
    in_format(x_type, [&](auto type) {
      for_row_blocks(task, rows, cols, [&](i64 b, i64 from, i64 to) {
        float* sums = workspace + b * cols;
        for (i64 r = from; r < to; r++) {
          auto row = as(type, x, r * x_ld);
          bool first_row = r == from;
          for_vectors(0, cols, [&](i64 c, i64 n) {
            put(sums + c, first_row ? at(row + c, n) : at(sums + c, n) + at(row + c, n), n);
          });
        }
      });
    });
  }
};

constexpr Kernel reduction_kernels[] = {
    row<sum_of<Plain>>("sum"), row<sum_of<Square>>("sum_squares"), row<row_sum>("row_sum"),
    row<row_dot>("row_dot"),   row<row_argmax>("row_argmax"),      row<column_sum>("column_sum"),
};

}  // namespace minke::MINKE_ISA
