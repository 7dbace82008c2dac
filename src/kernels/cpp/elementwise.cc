// Elementwise kernels. Every element is independent, so any split into tasks is the same arithmetic. bf16 operands are
// widened, computed in f32 and rounded once at the end.
#include "rows.h"

namespace minke::MINKE_ISA {

template <class Body>
inline void for_elements(i64 task, i64 n, Body body) {
  for_vectors(task * kGrain, smaller(n, (task + 1) * kGrain), body);
}

template <class T>
constexpr bool is_f32 = false;
template <>
constexpr bool is_f32<float> = true;

struct Add {
  static vf of(vf a, vf b) { return a + b; }
};
struct Subtract {
  static vf of(vf a, vf b) { return a - b; }
};
struct Multiply {
  static vf of(vf a, vf b) { return a * b; }
};
struct Divide {
  static vf of(vf a, vf b) { return a / b; }
};
struct Silu {
  static vf of(vf x) { return x * sigmoid(x); }
};
struct Sigmoid {
  static vf of(vf x) { return sigmoid(x); }
};
struct Exp {
  static vf of(vf x) { return vexp(x); }
};
struct Log {
  static vf of(vf x) { return vlog(x); }
};
// Gradients, from what the forward kept: silu its input, sigmoid its output.
struct SiluBackward {
  static vf of(vf x, vf dy) {
    vf s = sigmoid(x);
    return dy * s * fma(x, 1.0f - s, set1(1.0f));
  }
};
struct SigmoidBackward {
  static vf of(vf y, vf dy) { return dy * y * (1.0f - y); }
};

template <class T, class Op>
struct binary {
  const T *a, *b;
  T* out;
  i64 n;
  static constexpr const char* signature = is_f32<T> ? "a:f32 b:f32 out:f32! n:int" : "a:bf16 b:bf16 out:bf16! n:int";
  void fields(Words& w) { w(a, b, out, n); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for_elements(task, n, [&](i64 i, i64 m) { put(out + i, Op::of(at(a + i, m), at(b + i, m)), m); });
  }
};

template <class T, class Op>
struct unary {
  const T* x;
  T* out;
  i64 n;
  static constexpr const char* signature = is_f32<T> ? "x:f32 out:f32! n:int" : "x:bf16 out:bf16! n:int";
  void fields(Words& w) { w(x, out, n); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for_elements(task, n, [&](i64 i, i64 m) { put(out + i, Op::of(at(x + i, m)), m); });
  }
};

template <class T>
struct scale {
  const T* x;
  T* out;
  i64 n;
  float s;
  static constexpr const char* signature =
      is_f32<T> ? "x:f32 out:f32! n:int s:float" : "x:bf16 out:bf16! n:int s:float";
  void fields(Words& w) { w(x, out, n, s); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for_elements(task, n, [&](i64 i, i64 m) { put(out + i, at(x + i, m) * s, m); });
  }
};

// The factor is a number that an earlier command computed.
template <class T>
struct scale_by {
  const T* x;
  const float* s;
  T* out;
  i64 n;
  static constexpr const char* signature = is_f32<T> ? "x:f32 s:f32 out:f32! n:int" : "x:bf16 s:f32 out:bf16! n:int";
  void fields(Words& w) { w(x, s, out, n); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for_elements(task, n, [&](i64 i, i64 m) { put(out + i, at(x + i, m) * *s, m); });
  }
};

template <class T>
struct fill {
  T* out;
  i64 n;
  float value;
  static constexpr const char* signature = is_f32<T> ? "out:f32! n:int value:float" : "out:bf16! n:int value:float";
  void fields(Words& w) { w(out, n, value); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for_elements(task, n, [&](i64 i, i64 m) { put(out + i, set1(value), m); });
  }
};

template <class From, class To>
struct cast {
  const From* x;
  To* out;
  i64 n;
  static constexpr const char* signature = is_f32<From> ? "x:f32 out:bf16! n:int" : "x:bf16 out:f32! n:int";
  void fields(Words& w) { w(x, out, n); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for_elements(task, n, [&](i64 i, i64 m) { put(out + i, at(x + i, m), m); });
  }
};

// out[r, :] = x[r, :] + row: a bias.
template <class T>
struct add_row {
  const T* x;
  const float* row;
  T* out;
  i64 rows, cols;
  static constexpr const char* signature =
      is_f32<T> ? "x:f32 row:f32 out:f32! rows:int cols:int" : "x:bf16 row:f32 out:bf16! rows:int cols:int";
  void fields(Words& w) { w(x, row, out, rows, cols); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    for_rows(task, rows, cols, [&](i64 r) {
      const T* from = x + r * cols;
      T* to = out + r * cols;
      for_vectors(0, cols, [&](i64 c, i64 n) { put(to + c, at(from + c, n) + at(row + c, n), n); });
    });
  }
};

// out[r, :] = x[r, :] * s[r]
template <class T>
struct scale_rows {
  const T* x;
  const float* s;
  T* out;
  i64 rows, cols;
  static constexpr const char* signature =
      is_f32<T> ? "x:f32 s:f32 out:f32! rows:int cols:int" : "x:bf16 s:f32 out:bf16! rows:int cols:int";
  void fields(Words& w) { w(x, s, out, rows, cols); }
  i64 tasks() const { return row_tasks(rows, cols); }
  void run(i64 task, Worker&) const {
    for_rows(task, rows, cols, [&](i64 r) {
      const T* from = x + r * cols;
      T* to = out + r * cols;
      for_vectors(0, cols, [&](i64 c, i64 n) { put(to + c, at(from + c, n) * s[r], n); });
    });
  }
};

constexpr Kernel elementwise_kernels[] = {
    row<binary<float, Add>>("add_f32"),
    row<binary<bf16, Add>>("add_bf16"),
    row<binary<float, Subtract>>("sub_f32"),
    row<binary<bf16, Subtract>>("sub_bf16"),
    row<binary<float, Multiply>>("mul_f32"),
    row<binary<bf16, Multiply>>("mul_bf16"),
    row<binary<float, Divide>>("div_f32"),
    row<unary<float, Silu>>("silu_f32"),
    row<unary<bf16, Silu>>("silu_bf16"),
    row<unary<float, Sigmoid>>("sigmoid_f32"),
    row<unary<float, Exp>>("exp_f32"),
    row<unary<float, Log>>("log_f32"),
    row<binary<float, SiluBackward>>("silu_backward_f32"),
    row<binary<bf16, SiluBackward>>("silu_backward_bf16"),
    row<binary<float, SigmoidBackward>>("sigmoid_backward_f32"),
    row<scale<float>>("scale_f32"),
    row<scale<bf16>>("scale_bf16"),
    row<scale_by<float>>("scale_by_f32"),
    row<scale_by<bf16>>("scale_by_bf16"),
    row<fill<float>>("fill_f32"),
    row<fill<bf16>>("fill_bf16"),
    row<cast<float, bf16>>("cast_f32_bf16"),
    row<cast<bf16, float>>("cast_bf16_f32"),
    row<add_row<float>>("add_row_f32"),
    row<add_row<bf16>>("add_row_bf16"),
    row<scale_rows<float>>("scale_rows_f32"),
    row<scale_rows<bf16>>("scale_rows_bf16"),
};

}  // namespace minke::MINKE_ISA
