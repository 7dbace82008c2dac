// SwiGLU: out = silu(gate) * up. gate and up are two buffers or the halves of one [rows, 2F]: then up is the address of
// gate plus F elements and in_ld is 2F. The backward recomputes the sigmoid.
#include "rows.h"

namespace minke::MINKE_ISA {

struct swiglu {
  const void *gate, *up;
  void* out;
  i64 rows, cols, in_ld, out_ld, in_type, out_type;
  static constexpr const char* signature =
      "gate:any up:any out:any! rows:int cols:int in_ld:int out_ld:int in_type:int out_type:int";
  void fields(Words& w) { w(gate, up, out, rows, cols, in_ld, out_ld, in_type, out_type); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    in_formats(in_type, out_type, [&](auto in_tag, auto out_tag) {
      for_rows(task, rows, cols, [&](i64 r) {
        auto g = as(in_tag, gate, r * in_ld);
        auto u = as(in_tag, up, r * in_ld);
        auto to = as(out_tag, out, r * out_ld);
        for_vectors(0, cols, [&](i64 c, i64 n) {
          vf v = at(g + c, n);
          put(to + c, v * sigmoid(v) * at(u + c, n), n);
        });
      });
    });
  }
};

// dgate = dy * up * s * (1 + gate * (1 - s)), dup = dy * gate * s, s = sigmoid(gate).
struct swiglu_backward {
  const void *gate, *up, *dy;
  void *dgate, *dup;
  i64 rows, cols, in_ld, dy_ld, d_ld, in_type, dy_type;
  static constexpr const char* signature =
      "gate:any up:any dy:any dgate:any! dup:any! rows:int cols:int in_ld:int dy_ld:int d_ld:int in_type:int "
      "dy_type:int";
  void fields(Words& w) { w(gate, up, dy, dgate, dup, rows, cols, in_ld, dy_ld, d_ld, in_type, dy_type); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    in_formats(in_type, dy_type, [&](auto in_tag, auto dy_tag) {
      for_rows(task, rows, cols, [&](i64 r) {
        auto g = as(in_tag, gate, r * in_ld);
        auto u = as(in_tag, up, r * in_ld);
        auto d = as(dy_tag, dy, r * dy_ld);
        auto to_gate = as(in_tag, dgate, r * d_ld);
        auto to_up = as(in_tag, dup, r * d_ld);
        for_vectors(0, cols, [&](i64 c, i64 n) {
          vf v = at(g + c, n), grad = at(d + c, n);
          vf s = sigmoid(v);
          vf slope = grad * s;
          put(to_gate + c, slope * at(u + c, n) * fma(v, 1.0f - s, set1(1.0f)), n);
          put(to_up + c, slope * v, n);
        });
      });
    });
  }
};

constexpr Kernel swiglu_kernels[] = {
    row<swiglu>("swiglu"),
    row<swiglu_backward>("swiglu_backward"),
};

}  // namespace minke::MINKE_ISA
