// The loss of policy optimization: clipped surrogate and KL penalty of each token, with its slope. Tokens are
// independent.
#include "rows.h"

namespace minke::MINKE_ISA {

struct policy_loss_f32 {
  const float *logprob, *old, *reference, *advantage, *weight;
  float *loss, *slope, *kl, *clipped, *differs;
  i64 n;
  float low, high, beta;
  static constexpr const char* signature =
      "logprob:f32 old:f32 reference:f32 advantage:f32 weight:f32 loss:f32! slope:f32! kl:f32! clipped:f32! "
      "differs:f32! n:int low:float high:float beta:float";
  void fields(Words& w) {
    w(logprob, old, reference, advantage, weight, loss, slope, kl, clipped, differs, n, low, high, beta);
  }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for_vectors(task * kGrain, smaller(n, (task + 1) * kGrain), [&](i64 i, i64 m) {
      vf p = at(logprob + i, m), q = at(old + i, m), A = at(advantage + i, m), w = at(weight + i, m), zero{};
      vf ratio = vexp(p - q);
      vf bounded = vmin(vmax(ratio, set1(1 - low)), set1(1 + high)) * A;
      vf gain = ratio * A;
      vi is_clipped = bounded < gain;
      vf d = at(reference + i, m) - p;
      vf e = vexp(d);
      vf k3 = vmax(e - d - 1.0f, zero);
      vi counts = w != zero;
      vf surrogate = is_clipped ? bounded : gain;
      vf pull = is_clipped ? zero : gain;
      put(loss + i, counts ? w * (k3 * beta - surrogate) : zero, m);
      put(slope + i, counts ? w * ((1.0f - e) * beta - pull) : zero, m);
      put(kl + i, counts ? k3 : zero, m);
      put(clipped + i, counts ? (is_clipped ? set1(1.0f) : zero) : zero, m);
      put(differs + i, counts ? (p != q ? set1(1.0f) : zero) : zero, m);
    });
  }
};

constexpr Kernel policy_kernels[] = {row<policy_loss_f32>("policy_loss_f32")};

}  // namespace minke::MINKE_ISA
