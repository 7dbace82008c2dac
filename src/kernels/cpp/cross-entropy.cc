// Cross-entropy over rows of logits, its gradient, and log-probabilities of given ids.
//
// A caller works through the tokens chunk by chunk, so that no [T, V] tensor is ever kept: logits of a chunk, this
// kernel, its gradient in place, the head's gradient GEMMs, next chunk. A row is one token; rows are independent, and
// each is two passes in a fixed order: the maximum, then the sum of exp(x - maximum), in the pieces of sampling.h,
// so that a sampler's log-probabilities have a trainer's bits. A NaN in a row makes the row's results NaN. Left out:
// temperature and label smoothing; the gradient through the entropy, which is a metric.
#include "vectors.h"

namespace minke::MINKE_ISA {

constexpr i64 kLogitsATask = 32768;

inline i64 rows_a_task(i64 width) { return larger(1, kLogitsATask / larger(1, width)); }

inline bool refuse_id(Worker& worker, i64 where, i64 id, i64 limit) {
  if (id >= 0 && id < limit) return false;
  worker.fail(kIndexOutOfRange, where, id, limit);
  return true;
}

struct cross_entropy_f32 {
  const float* logits;
  const int32_t* targets;
  float *logprob, *lse, *entropy;
  i64 rows, V, ignore;
  static constexpr const char* signature =
      "logits:f32 targets:i32 logprob:f32! lse:f32! entropy:f32! rows:int V:int ignore:int";
  void fields(Words& w) { w(logits, targets, logprob, lse, entropy, rows, V, ignore); }
  i64 tasks() const { return blocks(rows, rows_a_task(V)); }
  void run(i64 task, Worker& worker) const {
    i64 end = smaller(rows, (task + 1) * rows_a_task(V));
    for (i64 r = task * rows_a_task(V); r < end; r++) {
      if (targets[r] != ignore && refuse_id(worker, r, targets[r], V)) return;
      const float* x = logits + r * V;
      float top = max_over(x, V);
      float sum, moment = 0;
      if (entropy)
        sum = exp_sums(x, top, moment);
      else
        sum = sum_in_pieces(V, [&](i64 i, i64 n) { return keep_n(vexp(load_n(x + i, n) - top), n, vf{}); });
      float log_sum = scalar_log(sum);
      lse[r] = top + log_sum;
      logprob[r] = targets[r] == ignore ? 0 : (x[targets[r]] - top) - log_sum;
      if (entropy) entropy[r] = log_sum - moment / sum;
    }
  }
  // The sum of e = exp(x - top), and into `moment` that of e * (x - top), where a logit of minus infinity counts zero.
  float exp_sums(const float* x, float top, float& moment) const {
    float total = 0;
    for (i64 from = 0; from < V; from += kPiece) {
      Sum sum, weighted;
      for_sums(smaller(kPiece, V - from), [&](i64 i, i64 n, int j) {
        vf shifted = load_n(x + from + i, n) - top;
        vf e = keep_n(vexp(shifted), n, vf{});
        sum.part[j] += e;
        weighted.part[j] += e * vmax(shifted, set1(-100.0f));  // exp(-100) is 0 in f32
      });
      moment += weighted.total();
      total += sum.total();
    }
    return total;
  }
};

// dlogits = grad * (onehot(target) - softmax), where grad is that of the target's log-probability; zero for an ignored
// row. dlogits may be the memory of logits itself when it is f32.
struct cross_entropy_backward_f32 {
  const float* logits;
  const int32_t* targets;
  const float *lse, *grad;
  void* dlogits;
  i64 dlogits_type, rows, V, ignore;
  static constexpr const char* signature =
      "logits:f32 targets:i32 lse:f32 grad:f32 dlogits:any! dlogits_type:int rows:int V:int ignore:int";
  void fields(Words& w) { w(logits, targets, lse, grad, dlogits, dlogits_type, rows, V, ignore); }
  i64 tasks() const { return blocks(rows, rows_a_task(V)); }
  void run(i64 task, Worker& worker) const {
    in_format(dlogits_type, [&](auto format) {
      i64 end = smaller(rows, (task + 1) * rows_a_task(V));
      for (i64 r = task * rows_a_task(V); r < end; r++) {
        if (targets[r] != ignore && refuse_id(worker, r, targets[r], V)) return;
        one_row(r, static_cast<decltype(format)*>(dlogits) + r * V);
      }
    });
  }
  template <class O>
  void one_row(i64 r, O* out) const {
    if (targets[r] == ignore) {
      for_vectors(0, V, [&](i64 i, i64 n) { store_n(out + i, vf{}, n); });
      return;
    }
    const float* x = logits + r * V;
    float target = grad[r] * (1.0f - scalar_exp(x[targets[r]] - lse[r]));  // read before x may be overwritten
    vf down = set1(-grad[r]);
    for_vectors(0, V, [&](i64 i, i64 n) { store_n(out + i, down * vexp(load_n(x + i, n) - lse[r]), n); });
    store_n(out + targets[r], set1(target), 1);
  }
};

constexpr Kernel cross_entropy_kernels[] = {
    row<cross_entropy_f32>("cross_entropy_f32"),
    row<cross_entropy_backward_f32>("cross_entropy_backward_f32"),
};

}  // namespace minke::MINKE_ISA
