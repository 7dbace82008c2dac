// RMSNorm: out = x * inv_rms * gain, inv_rms = 1 / sqrt(mean(x^2) + eps). Statistics in f32 whatever the formats.
// Rows are independent; the gradient of the gain is summed in row blocks (rows.h).
#include "rows.h"

namespace minke::MINKE_ISA {

template <class X>
inline float inverse_rms(const X* x, i64 cols, float eps) {
  return 1.0f / scalar_sqrt(dot(x, x, cols) / float(cols) + eps);
}

template <class X, class Y>
inline void normalize(const X* x, const float* gain, Y* out, i64 cols, float inverse) {
  for_vectors(0, cols, [&](i64 c, i64 n) { put(out + c, at(x + c, n) * inverse * at(gain + c, n), n); });
}

struct rms_norm {
  const void* x;
  const float* gain;
  void* out;
  float* inv_rms;
  i64 rows, cols, x_ld, out_ld;
  float eps;
  i64 x_type, out_type;
  static constexpr const char* signature =
      "x:any gain:f32 out:any! inv_rms:f32! rows:int cols:int x_ld:int out_ld:int eps:float x_type:int out_type:int";
  void fields(Words& w) { w(x, gain, out, inv_rms, rows, cols, x_ld, out_ld, eps, x_type, out_type); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    in_formats(x_type, out_type, [&](auto x_tag, auto out_tag) {
      for_rows(task, rows, cols, [&](i64 r) {
        auto from = as(x_tag, x, r * x_ld);
        float inverse = inverse_rms(from, cols, eps);
        if (inv_rms) inv_rms[r] = inverse;
        normalize(from, gain, as(out_tag, out, r * out_ld), cols, inverse);
      });
    });
  }
};

// sum = x + delta, rounded to x's format; out = rms_norm(sum): the end of a residual branch and the start of the next.
struct add_rms_norm {
  const void *x, *delta;
  const float* gain;
  void *sum, *out;
  float* inv_rms;
  i64 rows, cols;
  float eps;
  i64 x_type, delta_type, out_type;
  static constexpr const char* signature =
      "x:any delta:any gain:f32 sum:any! out:any! inv_rms:f32! rows:int cols:int eps:float x_type:int delta_type:int "
      "out_type:int";
  void fields(Words& w) { w(x, delta, gain, sum, out, inv_rms, rows, cols, eps, x_type, delta_type, out_type); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    in_formats(x_type, out_type, [&](auto x_tag, auto out_tag) {
      in_format(delta_type, [&](auto delta_tag) {
        for_rows(task, rows, cols, [&](i64 r) {
          auto a = as(x_tag, x, r * cols);
          auto b = as(delta_tag, delta, r * cols);
          auto joined = as(x_tag, sum, r * cols);
          for_vectors(0, cols, [&](i64 c, i64 n) { put(joined + c, at(a + c, n) + at(b + c, n), n); });
          float inverse = inverse_rms(joined, cols, eps);
          if (inv_rms) inv_rms[r] = inverse;
          normalize(joined, gain, as(out_tag, out, r * cols), cols, inverse);
        });
      });
    });
  }
};

// With g = dy * gain: dx = added + inv_rms * (g - x * inv_rms^2 * mean(g * x)), dgain = sum over rows of dy * x *
// inv_rms. `added` (another gradient of x) and `rounded` (dx once more, in bf16, for products to read) may be absent,
// and dgain too (a frozen gain).
struct rms_norm_backward {
  const void* x;
  const float *gain, *inv_rms;
  const void *dy, *added;
  void* dx;
  bf16* rounded;
  float *dgain, *workspace;
  i64 rows, cols, x_ld, dy_ld, dx_ld, x_type, dy_type, accumulate_dgain;
  static constexpr int phases = 2;
  static constexpr const char* signature =
      "x:any gain:f32 inv_rms:f32 dy:any added:any dx:any! rounded:bf16! dgain:f32! workspace:f32! rows:int cols:int "
      "x_ld:int dy_ld:int dx_ld:int x_type:int dy_type:int accumulate_dgain:int";
  void fields(Words& w) {
    w(x, gain, inv_rms, dy, added, dx, rounded, dgain, workspace, rows, cols, x_ld, dy_ld, dx_ld, x_type, dy_type,
      accumulate_dgain);
  }
  i64 tasks(int phase) const {
    if (phase == 0) return block_tasks(rows, cols);
    return dgain ? blocks(cols, kColumnGrain) : 0;
  }
  void run(int phase, i64 task, Worker&) const {
    if (phase == 1) return fold_row_blocks(task, workspace, dgain, rows, cols, accumulate_dgain);
    in_formats(x_type, dy_type, [&](auto x_tag, auto dy_tag) {
      for_row_blocks(task, rows, cols, [&](i64 b, i64 from, i64 to) {
        for (i64 r = from; r < to; r++) {
          auto x_row = as(x_tag, x, r * x_ld);
          auto dy_row = as(dy_tag, dy, r * dy_ld);
          input_gradient(r, x_row, dy_row, as(x_tag, dx, r * dx_ld));
          if (dgain) gain_gradient(x_row, dy_row, workspace + b * cols, inv_rms[r], r == from);
        }
      });
    });
  }
  template <class X, class Y>
  void input_gradient(i64 r, const X* x_row, const Y* dy_row, X* dx_row) const {
    Sum sum;
    for_sums(cols, [&](i64 i, i64 n, int j) {
      sum.part[j] = fma(at(dy_row + i, n) * at(gain + i, n), at(x_row + i, n), sum.part[j]);
    });
    float inverse = inv_rms[r], pull = -(inverse * inverse) * (sum.total() / float(cols));
    const X* before = added ? as(X(), added, r * dx_ld) : nullptr;
    bf16* halves = rounded ? rounded + r * cols : nullptr;
    for_vectors(0, cols, [&](i64 i, i64 n) {
      vf g = at(dy_row + i, n) * at(gain + i, n);
      vf value = fma(at(x_row + i, n), set1(pull), g) * inverse;
      if (before) value = at(before + i, n) + value;
      put(dx_row + i, value, n);
      if (halves) put(halves + i, value, n);
    });
  }
  template <class X, class Y>
  void gain_gradient(const X* x_row, const Y* dy_row, float* sums, float inverse, bool first_row) const {
    for_vectors(0, cols, [&](i64 i, i64 n) {
      vf term = at(x_row + i, n) * inverse * at(dy_row + i, n);
      put(sums + i, first_row ? term : at(sums + i, n) + term, n);
    });
  }
};

constexpr Kernel norm_kernels[] = {
    row<rms_norm>("rms_norm"),
    row<add_rms_norm>("add_rms_norm"),
    row<rms_norm_backward>("rms_norm_backward"),
};

}  // namespace minke::MINKE_ISA
