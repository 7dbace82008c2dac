// Moving tokens to their experts and back: the plan, the permutation, the weighted sum, and its gradient.
//
// The plan sorts (token, slot) pairs by expert, stable in token order: row_index[t, k] is the row of the pair,
// token_index its inverse without the slot. The gradient of permute_rows is unpermute_rows without weights. A token's
// sum runs over its own slots in ascending order, so it never depends on the other tokens. Every index is checked
// before it is used. Left out: capacity limits (DeepSeek drops no token), expert parallelism.
#include "vectors.h"

namespace minke::MINKE_ISA {

constexpr i64 kMovedATask = 32768;  // numbers

// offsets [E + 1]: rows of expert e are offsets[e] to offsets[e + 1].
struct dispatch_plan {
  const int32_t* indices;
  int32_t *offsets, *row_index, *token_index;
  i64 T, K, E;
  static constexpr const char* signature = "indices:i32 offsets:i32! row_index:i32! token_index:i32! T:int K:int E:int";
  void fields(Words& w) { w(indices, offsets, row_index, token_index, T, K, E); }
  i64 tasks() const { return 1; }
  void run(i64, Worker& worker) const {
    i64 n = T * K;
    for (i64 i = 0; i < n; i++)
      if (indices[i] < 0 || indices[i] >= E) return worker.fail(kIndexOutOfRange, i, indices[i], E);
    for (i64 e = 0; e <= E; e++) offsets[e] = 0;
    for (i64 i = 0; i < n; i++) offsets[indices[i] + 1]++;
    for (i64 e = 0; e < E; e++) offsets[e + 1] += offsets[e];
    for (i64 t = 0, i = 0; t < T; t++)
      for (i64 k = 0; k < K; k++, i++) {  // offsets[e] walks to where e + 1 begins...
        int32_t row = offsets[indices[i]]++;
        row_index[i] = row;
        token_index[row] = int32_t(t);
      }
    for (i64 e = E; e > 0; e--) offsets[e] = offsets[e - 1];  // ...and is moved back
    offsets[0] = 0;
  }
};

// out[r] = x[token_index[r]], rows of row_bytes bytes: any format, scales too.
struct permute_rows {
  const uint8_t* x;
  const int32_t* token_index;
  uint8_t* out;
  i64 rows, tokens, row_bytes;
  static constexpr const char* signature = "x:any token_index:i32 out:any! rows:int tokens:int row_bytes:int";
  static constexpr i64 kBytesATask = 1 << 18;
  i64 grain() const { return larger(1, kBytesATask / larger(1, row_bytes)); }
  void fields(Words& w) { w(x, token_index, out, rows, tokens, row_bytes); }
  i64 tasks() const { return blocks(rows, grain()); }
  void run(i64 task, Worker& worker) const {
    for (i64 r = task * grain(); r < smaller(rows, (task + 1) * grain()); r++) {
      i64 token = token_index[r];
      if (token < 0 || token >= tokens) return worker.fail(kIndexOutOfRange, r, token, tokens);
      __builtin_memcpy(out + r * row_bytes, x + token * row_bytes, size_t(row_bytes));
    }
  }
};

inline bool refuse_rows(Worker& worker, const int32_t* row_index, i64 from, i64 to, i64 rows) {
  for (i64 i = from; i < to; i++)
    if (row_index[i] < 0 || row_index[i] >= rows) {
      worker.fail(kIndexOutOfRange, i, row_index[i], rows);
      return true;
    }
  return false;
}

// out[t] = base[t] + sum over k of weights[t, k] * y[row_index[t, k]], k ascending, one fused multiply-add each, in
// f32. Without weights every factor is 1; without base the sum starts from 0.
struct unpermute_rows {
  const void* y;
  const int32_t* row_index;
  const float* weights;
  const void* base;
  void* out;
  i64 y_type, out_type, T, K, rows, cols;
  static constexpr const char* signature =
      "y:any row_index:i32 weights:f32 base:any out:any! y_type:int out_type:int T:int K:int rows:int cols:int";
  i64 grain() const { return larger(1, kMovedATask / larger(1, K * cols)); }
  void fields(Words& w) { w(y, row_index, weights, base, out, y_type, out_type, T, K, rows, cols); }
  i64 tasks() const { return blocks(T, grain()); }
  void run(i64 task, Worker& worker) const {
    i64 begin = task * grain(), end = smaller(T, begin + grain());
    if (refuse_rows(worker, row_index, begin * K, end * K, rows)) return;
    in_format(y_type, [&](auto from) {
      in_format(out_type, [&](auto to) {
        for (i64 t = begin; t < end; t++) one_token<decltype(from), decltype(to)>(t);
      });
    });
  }
  template <class Y, class O>
  void one_token(i64 t) const {
    auto* in = static_cast<const Y*>(y);
    auto* start = static_cast<const O*>(base);
    auto* to = static_cast<O*>(out);
    for_vectors(0, cols, [&](i64 c, i64 n) {
      vf sum = start ? load_n(start + t * cols + c, n) : vf{};
      for (i64 k = t * K; k < (t + 1) * K; k++) {
        vf value = load_n(in + row_index[k] * cols + c, n);
        sum = weights ? fma(set1(weights[k]), value, sum) : sum + value;
      }
      store_n(to + t * cols + c, sum, n);
    });
  }
};

// dy[row_index[t, k]] = weights[t, k] * dout[t]; dweights[t, k] = dot(y[row_index[t, k]], dout[t]), absent with y.
struct unpermute_rows_backward {
  const void *dout, *y;
  const int32_t* row_index;
  const float* weights;
  void* dy;
  float* dweights;
  i64 dout_type, y_type, dy_type, T, K, rows, cols;
  static constexpr const char* signature =
      "dout:any y:any row_index:i32 weights:f32 dy:any! dweights:f32! dout_type:int y_type:int dy_type:int T:int K:int "
      "rows:int cols:int";
  i64 grain() const { return larger(1, kMovedATask / larger(1, K * cols)); }
  void fields(Words& w) { w(dout, y, row_index, weights, dy, dweights, dout_type, y_type, dy_type, T, K, rows, cols); }
  i64 tasks() const { return blocks(T, grain()); }
  void run(i64 task, Worker& worker) const {
    i64 begin = task * grain() * K, end = smaller(T * K, begin + grain() * K);
    if (refuse_rows(worker, row_index, begin, end, rows)) return;
    in_format(dout_type, [&](auto in) {
      in_format(dy_type, [&](auto out) {
        for (i64 i = begin; i < end; i++) spread<decltype(in), decltype(out)>(i);
      });
      if (!dweights) return;
      in_format(y_type, [&](auto value) {
        for (i64 i = begin; i < end; i++) dweights[i] = dot<decltype(in), decltype(value)>(i);
      });
    });
  }
  template <class D, class O>
  void spread(i64 i) const {
    auto* from = static_cast<const D*>(dout) + i / K * cols;
    auto* to = static_cast<O*>(dy) + row_index[i] * cols;
    vf weight = set1(weights ? weights[i] : 1.0f);
    for_vectors(0, cols, [&](i64 c, i64 n) { store_n(to + c, weight * load_n(from + c, n), n); });
  }
  template <class D, class Y>
  float dot(i64 i) const {
    auto* from = static_cast<const D*>(dout) + i / K * cols;
    auto* value = static_cast<const Y*>(y) + row_index[i] * cols;
    Sum sum;
    for_sums(cols,
             [&](i64 c, i64 n, int j) { sum.part[j] = fma(load_n(from + c, n), load_n(value + c, n), sum.part[j]); });
    return sum.total();
  }
};

constexpr Kernel dispatch_kernels[] = {
    row<dispatch_plan>("dispatch_plan"),
    row<permute_rows>("permute_rows"),
    row<unpermute_rows>("unpermute_rows"),
    row<unpermute_rows_backward>("unpermute_rows_backward"),
};

}  // namespace minke::MINKE_ISA
