// Kullback-Leibler divergence between rows of logits of two models, and its gradient by the first's (the student's).
//
// A row is one token; rows are independent. Each is a few passes in a fixed order, with maxima and sums in the pieces
// of sampling.h, as in cross-entropy.cc. A probability that underflows to 0 adds nothing, whatever the other model
// says. A row of weight 0 gives zeros and is not read. Left out: interpolated divergences (Jensen-Shannon).
#include "rows.h"

namespace minke::MINKE_ISA {

inline float log_sum_exp(const float* x, i64 count) {
  float top = max_over(x, count);
  return top +
         scalar_log(sum_in_pieces(count, [&](i64 i, i64 n) { return keep_n(vexp(load_n(x + i, n) - top), n, vf{}); }));
}

struct kl_divergence_f32 {
  const float *student, *teacher, *weight;
  float *kl, *student_lse, *teacher_lse;
  i64 rows, V, reverse;
  static constexpr const char* signature =
      "student:f32 teacher:f32 weight:f32 kl:f32! student_lse:f32! teacher_lse:f32! rows:int V:int reverse:int";
  void fields(Words& w) { w(student, teacher, weight, kl, student_lse, teacher_lse, rows, V, reverse); }
  i64 tasks() const { return row_tasks(rows, V); }
  void run(i64 task, Worker&) const {
    for_rows(task, rows, V, [&](i64 r) { one_row(r); });
  }
  void one_row(i64 r) const {
    kl[r] = student_lse[r] = teacher_lse[r] = 0;
    if (weight[r] == 0) return;
    const float *s = student + r * V, *t = teacher + r * V;
    float s_lse = student_lse[r] = log_sum_exp(s, V), t_lse = teacher_lse[r] = log_sum_exp(t, V);
    const float *p = reverse ? s : t, *q = reverse ? t : s;
    float p_lse = reverse ? s_lse : t_lse, q_lse = reverse ? t_lse : s_lse;
    kl[r] = sum_in_pieces(V, [&](i64 i, i64 n) {
      vf log_p = load_n(p + i, n) - p_lse, probability = vexp(log_p);
      vf term = probability * (log_p - (load_n(q + i, n) - q_lse));
      return keep_n(probability == 0.0f ? vf{} : term, n, vf{});
    });
  }
};

// With p of the student and q of the teacher: grad * p (log p - log q - kl) where reversed, else grad * (p - q).
// dlogits may be the memory of the student's logits.
struct kl_divergence_backward_f32 {
  const float *student, *teacher, *weight, *kl, *student_lse, *teacher_lse, *grad;
  float* dlogits;
  i64 rows, V, reverse;
  static constexpr const char* signature =
      "student:f32 teacher:f32 weight:f32 kl:f32 student_lse:f32 teacher_lse:f32 grad:f32 dlogits:f32! rows:int V:int "
      "reverse:int";
  void fields(Words& w) { w(student, teacher, weight, kl, student_lse, teacher_lse, grad, dlogits, rows, V, reverse); }
  i64 tasks() const { return row_tasks(rows, V); }
  void run(i64 task, Worker&) const {
    for_rows(task, rows, V, [&](i64 r) { one_row(r); });
  }
  void one_row(i64 r) const {
    const float *s = student + r * V, *t = teacher + r * V;
    float* out = dlogits + r * V;
    bool counts = weight[r] != 0;
    for_vectors(0, V, [&](i64 i, i64 n) {
      vf slope{};
      if (counts) {
        vf log_p = load_n(s + i, n) - student_lse[r], log_q = load_n(t + i, n) - teacher_lse[r], p = vexp(log_p);
        slope = reverse ? (p == 0.0f ? vf{} : p * (log_p - log_q - kl[r])) : p - vexp(log_q);
        slope *= grad[r];
      }
      store_n(out + i, slope, n);
    });
  }
};

constexpr Kernel divergence_kernels[] = {
    row<kl_divergence_f32>("kl_divergence_f32"),
    row<kl_divergence_backward_f32>("kl_divergence_backward_f32"),
};

}  // namespace minke::MINKE_ISA
