// The loss of policy optimization: clipped surrogate and KL penalty of each token, with its slope; and which tokens two
// lists name differently. Tokens are independent.
#include "rows.h"

namespace minke::MINKE_ISA {

constexpr float kMaxLogRatio = 20;

struct policy_loss_f32 {
  const float *logprob, *old, *reference, *advantage, *weight;
  float *loss, *slope, *kl, *clipped, *differs, *bounded;
  i64 n;
  float low, high, beta;
  static constexpr const char* signature =
      "logprob:f32 old:f32 reference:f32 advantage:f32 weight:f32 loss:f32! slope:f32! kl:f32! clipped:f32! "
      "differs:f32! bounded:f32! n:int low:float high:float beta:float";
  void fields(Words& w) {
    w(logprob, old, reference, advantage, weight, loss, slope, kl, clipped, differs, bounded, n, low, high, beta);
  }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for_vectors(task * kGrain, smaller(n, (task + 1) * kGrain), [&](i64 i, i64 m) {
      vf p = at(logprob + i, m), q = at(old + i, m), A = at(advantage + i, m), w = at(weight + i, m), zero{};
      vf limit = set1(kMaxLogRatio), one = set1(1.0f);
      vf change = p - q, d = at(reference + i, m) - p;
      vi far = change > limit, far_from_reference = d > limit;  // false for NaN, which goes on
      vf ratio = vexp(vmin(limit, change));  // vmin and vmax keep a NaN of the second, relaxed_min would not
      vf clip = vmin(vmax(ratio, set1(1 - low)), set1(1 + high)) * A;
      vf gain = ratio * A;
      vi is_clipped = clip < gain;
      vf near = vmin(limit, d);
      vf e = vexp(near);
      vf k3 = e - near - 1.0f;
      k3 = vmax(zero, k3);
      vf push = far_from_reference ? zero : one - e;
      vi counts = w != zero;
      vf surrogate = vmin(clip, gain);
      vf pull = (is_clipped | far) ? zero : gain;
      put(loss + i, counts ? w * (k3 * beta - surrogate) : zero, m);
      put(slope + i, counts ? w * (push * beta - pull) : zero, m);
      put(kl + i, counts ? k3 : zero, m);
      put(clipped + i, counts ? (is_clipped ? one : zero) : zero, m);
      put(differs + i, counts ? (p != q ? one : zero) : zero, m);
      put(bounded + i, counts ? ((far | far_from_reference) ? one : zero) : zero, m);
    });
  }
};

struct token_differs {
  const int32_t *a, *b;
  const float* mask;
  float* out;
  i64 n;
  static constexpr const char* signature = "a:i32 b:i32 mask:f32 out:f32! n:int";
  void fields(Words& w) { w(a, b, mask, out, n); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    for (i64 i = task * kGrain; i < smaller(n, (task + 1) * kGrain); i++) out[i] = mask[i] != 0 && a[i] != b[i];
  }
};

constexpr Kernel policy_kernels[] = {
    row<policy_loss_f32>("policy_loss_f32"),
    row<token_differs>("token_differs"),
};

}  // namespace minke::MINKE_ISA
