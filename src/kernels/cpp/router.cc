// The expert router of DeepSeek-V2 and V3, its gradient, its load counts and its balance loss, in FP32.
//
// Source: DeepSeek-V3 report section 2.1.2 (eq. 12 to 20) and the released Gate. Scores are sigmoid or softmax over all
// experts; a bias joins for the selection only; a masked group counts minus infinity (transformers puts 0 there, which
// lets a masked expert win when all allowed choices are negative). Of equal choices the lowest index goes first.
// Rows are tokens and independent. Left out: token dropping, noise, device-level losses of V2.
#include "vectors.h"

namespace minke::MINKE_ISA {

constexpr i64 kRoutedATask = 64;  // tokens
constexpr float kLargest = 3.4028234664e38f;

// Position of the largest of n numbers (a whole number of vectors), the lowest of equals; -1 if all are minus infinity.
inline i64 position_of_max(const float* x, i64 n) {
  vf top = set1(-__builtin_inff());
  vi at = set1i(-1), here = lane_numbers();
  for (i64 i = 0; i < n; i += W, here += W) {
    vf v = load(x + i);
    at = v > top ? here : at;
    top = vmax(v, top);
  }
  float value = reduce_max(top);
  i64 best = -1;
  for (int i = 0; i < W; i++)
    if (top[i] == value && at[i] >= 0 && (best < 0 || at[i] < best)) best = at[i];
  return best;
}

// The largest of n numbers, or the sum of the two largest: per lane first, then over the lanes.
inline float sum_of_best(const float* x, i64 n, bool two) {
  vf low = set1(-__builtin_inff()), first = low, second = low;
  for_vectors(0, n, [&](i64 i, i64 left) {
    vf v = keep_n(load_n(x + i, left), left, low);
    second = vmax(second, vmin(first, v));
    first = vmax(first, v);
  });
  float value = reduce_max(first);
  if (!two || n < 2) return value;
  float next = reduce_max(second);
  bool taken = false;
  for (int i = 0; i < W; i++) {
    bool skip = !taken && first[i] == value;
    taken |= skip;
    if (!skip && first[i] > next) next = first[i];
  }
  return value + next > -kLargest ? value + next : -kLargest;
}

struct router_f32 {
  const float *logits, *bias;
  int32_t* indices;
  float *weights, *scores;
  i64 T, E, K, groups, top_groups, group_best, softmax, normalize;
  float scale;
  static constexpr const char* signature =
      "logits:f32 bias:f32 indices:i32! weights:f32! scores:f32! T:int E:int K:int groups:int top_groups:int "
      "group_best:int softmax:int normalize:int scale:float";
  void fields(Words& w) {
    w(logits, bias, indices, weights, scores, T, E, K, groups, top_groups, group_best, softmax, normalize, scale);
  }
  i64 tasks() const { return blocks(T, kRoutedATask); }

  // A token's scratch; rows of whole vectors, minus infinity after the last expert or group.
  struct Room {
    float *score, *choice, *rank;
    i64 width;  // E in whole vectors
  };

  void run(i64 task, Worker& worker) const {
    i64 width = blocks(E, W) * W;
    auto* free = reinterpret_cast<float*>(worker.scratch);
    Room room = {free, free + width, free + 2 * width, width};
    for (i64 i = 0; i < width; i++) room.choice[i] = room.rank[i] = -__builtin_inff();
    for (i64 t = task * kRoutedATask; t < smaller(T, (task + 1) * kRoutedATask); t++)
      if (!one_token(t, room, worker)) return;
  }

  bool one_token(i64 t, Room& room, Worker& worker) const {
    const float* x = logits + t * E;
    float* s = scores ? scores + t * E : room.score;
    if (i64 bad = first_bad(x); bad < E) {
      worker.fail(kNotFinite, t * E + bad, 0, 0);
      return false;
    }
    score(x, s);
    // A bias of minus infinity still leaves an expert above the masked ones.
    for_vectors(0, E, [&](i64 e, i64 n) {
      vf c = load_n(s + e, n);
      store_n(room.choice + e, bias ? vmax(c + load_n(bias + e, n), set1(-kLargest)) : c, n);
    });
    if (top_groups < groups) mask_groups(room);
    for (i64 k = 0; k < K; k++) {
      i64 e = larger(0, position_of_max(room.choice, room.width));
      indices[t * K + k] = int32_t(e);
      room.choice[e] = -__builtin_inff();
    }
    weigh(s, indices + t * K, weights + t * K);
    return true;
  }

  // The first logit that is not finite or whose bias is NaN; E if there is none.
  i64 first_bad(const float* x) const {
    vf wrong = {};
    for_vectors(0, E, [&](i64 e, i64 n) {
      vf v = load_n(x + e, n);
      wrong += v - v;  // NaN from the first such logit on
      if (bias) {
        vf b = load_n(bias + e, n);
        wrong += b != b ? b : vf{};
      }
    });
    float total = reduce_add(wrong);
    if (total == total) return E;
    i64 e = 0;
    while (x[e] - x[e] == 0 && !(bias && bias[e] != bias[e])) e++;
    return e;
  }

  void score(const float* x, float* out) const {
    if (!softmax) {
      for_vectors(0, E, [&](i64 e, i64 n) { store_n(out + e, sigmoid(load_n(x + e, n)), n); });
      return;
    }
    float top = max_over(x, E);
    float sum = sum_over(E, [&](i64 e, i64 n) {
      vf p = keep_n(vexp(load_n(x + e, n) - top), n, vf{});
      store_n(out + e, p, n);
      return p;
    });
    for_vectors(0, E, [&](i64 e, i64 n) { store_n(out + e, load_n(out + e, n) / sum, n); });
  }

  // Keeps the best groups: minus infinity for the choices of all others. A group's rank is its best choice, or the
  // sum of its two best (group_best = 2).
  void mask_groups(Room& room) const {
    i64 size = E / groups, width = blocks(groups, W) * W;
    for (i64 g = 0; g < groups; g++) room.rank[g] = sum_of_best(room.choice + g * size, size, group_best == 2);
    for (i64 i = 0; i < top_groups; i++) {
      i64 g = position_of_max(room.rank, width);
      if (g >= 0) room.rank[g] = __builtin_nanf("");  // kept; NaN is never a maximum
    }
    for (i64 g = 0; g < groups; g++) {
      if (room.rank[g] != room.rank[g]) continue;
      for (i64 e = g * size; e < (g + 1) * size; e++) room.choice[e] = -__builtin_inff();
    }
  }

  void weigh(const float* score, const int32_t* index, float* weight) const {
    float sum = 0;
    for (i64 k = 0; k < K; k++) sum += score[index[k]];
    for (i64 k = 0; k < K; k++) weight[k] = (normalize ? score[index[k]] / (sum + 1e-20f) : score[index[k]]) * scale;
  }
};

// From gradients of the weights [T, K] and, unless absent, of all scores [T, E] to that of the logits [T, E]. The
// selection has no gradient.
struct router_backward_f32 {
  const float* scores;
  const int32_t* indices;
  const float *dweights, *dscores;
  float* dlogits;
  i64 T, E, K, softmax, normalize;
  float scale;
  static constexpr const char* signature =
      "scores:f32 indices:i32 dweights:f32 dscores:f32 dlogits:f32! T:int E:int K:int softmax:int normalize:int "
      "scale:float";
  void fields(Words& w) { w(scores, indices, dweights, dscores, dlogits, T, E, K, softmax, normalize, scale); }
  i64 tasks() const { return blocks(T, kRoutedATask); }
  void run(i64 task, Worker& worker) const {
    for (i64 t = task * kRoutedATask; t < smaller(T, (task + 1) * kRoutedATask); t++) {
      for (i64 k = t * K; k < (t + 1) * K; k++)
        if (indices[k] < 0 || indices[k] >= E) return worker.fail(kIndexOutOfRange, k, indices[k], E);
      one_token(t);
    }
  }
  void one_token(i64 t) const {
    const float *s = scores + t * E, *dw = dweights + t * K;
    const int32_t* index = indices + t * K;
    float* ds = dlogits + t * E;
    for_vectors(0, E, [&](i64 e, i64 n) { store_n(ds + e, dscores ? load_n(dscores + t * E + e, n) : vf{}, n); });
    float sum = 0, product = 0;
    for (i64 k = 0; k < K; k++) {
      sum += s[index[k]];
      product += s[index[k]] * dw[k];
    }
    sum += 1e-20f;
    for (i64 k = 0; k < K; k++) ds[index[k]] += normalize ? scale * (dw[k] - product / sum) / sum : scale * dw[k];
    float dot = softmax ? sum_over(E, [&](i64 e, i64 n) { return load_n(ds + e, n) * load_n(s + e, n); }) : 0;
    for_vectors(0, E, [&](i64 e, i64 n) {
      vf score = load_n(s + e, n), d = load_n(ds + e, n);
      store_n(ds + e, softmax ? score * (d - dot) : d * score * (1.0f - score), n);
    });
  }
};

// counts[e] = how often e occurs in indices [n], added to the old counts with `accumulate`.
struct expert_counts {
  const int32_t* indices;
  int32_t* counts;
  i64 n, E, accumulate;
  static constexpr const char* signature = "indices:i32 counts:i32! n:int E:int accumulate:int";
  void fields(Words& w) { w(indices, counts, n, E, accumulate); }
  i64 tasks() const { return 1; }
  void run(i64, Worker& worker) const {
    if (!accumulate) __builtin_memset(counts, 0, size_t(E) * sizeof *counts);
    for (i64 i = 0; i < n; i++) {
      if (indices[i] < 0 || indices[i] >= E) return worker.fail(kIndexOutOfRange, i, indices[i], E);
      counts[indices[i]]++;
    }
  }
};

// After a step: bias up by `rate` for experts below the mean load, down above it, untouched at it.
struct balance_bias {
  float* bias;
  const int32_t* counts;
  const float* rate;
  i64 E;
  static constexpr const char* signature = "bias:f32! counts:i32 rate:f32 E:int";
  void fields(Words& w) { w(bias, counts, rate, E); }
  i64 tasks() const { return 1; }
  void run(i64, Worker&) const {
    i64 total = 0;
    for (i64 e = 0; e < E; e++) total += counts[e];
    for (i64 e = 0; e < E; e++) {
      i64 load = counts[e] * E;
      if (load != total) bias[e] += load < total ? rate[0] : -rate[0];
    }
  }
};

// The sequence-wise balance loss (eq. 17 to 20): loss[b] = alpha * sum over i of f_i P_i, with f_i = E / (K n) * the
// number of tokens that chose i, P_i = mean of s_i / (sum of s), over the n tokens offsets[b] to offsets[b + 1].
// fraction [B, E] keeps f for the gradient. Sums run over a sequence's tokens in order. An empty one has loss 0.
struct balance_loss_f32 {
  const float* scores;
  const int32_t *indices, *offsets;
  float *fraction, *loss;
  i64 B, T, E, K;
  float alpha;
  static constexpr const char* signature =
      "scores:f32 indices:i32 offsets:i32 fraction:f32! loss:f32! B:int T:int E:int K:int alpha:float";
  void fields(Words& w) { w(scores, indices, offsets, fraction, loss, B, T, E, K, alpha); }
  i64 tasks() const { return B; }
  void run(i64 b, Worker& worker) const {
    i64 from = offsets[b], to = offsets[b + 1];
    if (from < 0 || to < from || to > T) return worker.fail(kBadOffsets, b + 1, to, T);
    float *f = fraction + b * E, *mean = reinterpret_cast<float*>(worker.scratch);
    for (i64 e = 0; e < E; e++) f[e] = mean[e] = 0;
    for (i64 i = from * K; i < to * K; i++) {
      if (indices[i] < 0 || indices[i] >= E) return worker.fail(kIndexOutOfRange, i, indices[i], E);
      f[indices[i]] += 1.0f;
    }
    for (i64 t = from; t < to; t++) {
      const float* s = scores + t * E;
      float share = 1.0f / (sum_over(E, [&](i64 e, i64 n) { return load_n(s + e, n); }) + 1e-20f);
      for_vectors(0, E,
                  [&](i64 e, i64 n) { store_n(mean + e, fma(load_n(s + e, n), set1(share), load_n(mean + e, n)), n); });
    }
    float tokens = float(larger(1, to - from)), each = float(E) / (float(K) * tokens);
    for (i64 e = 0; e < E; e++) f[e] *= each;
    loss[b] = alpha / tokens * sum_over(E, [&](i64 e, i64 n) { return load_n(f + e, n) * load_n(mean + e, n); });
  }
};

// dscores[t, k] = grad[b] * alpha / n * (f_k - sum over i of f_i s_i / Z) / Z, Z the sum of s; f counts as constant.
// Tokens of no sequence get zeros.
struct balance_loss_backward_f32 {
  const float* scores;
  const int32_t* offsets;
  const float *fraction, *grad;
  float* dscores;
  i64 B, T, E;
  float alpha;
  static constexpr const char* signature =
      "scores:f32 offsets:i32 fraction:f32 grad:f32 dscores:f32! B:int T:int E:int alpha:float";
  void fields(Words& w) { w(scores, offsets, fraction, grad, dscores, B, T, E, alpha); }
  i64 tasks() const { return blocks(T, kRoutedATask); }
  void run(i64 task, Worker& worker) const {
    i64 begin = task * kRoutedATask, end = smaller(T, begin + kRoutedATask), covered = begin;
    for (i64 b = 0; b < B; b++) {
      i64 from = offsets[b], to = offsets[b + 1];
      if (from < 0 || to < from || to > T) return worker.fail(kBadOffsets, b + 1, to, T);
      for (i64 t = larger(begin, from); t < smaller(end, to); t++) {
        zero(covered, t);
        one_token(t, fraction + b * E, grad[b] * alpha / float(to - from));
        covered = t + 1;
      }
    }
    zero(covered, end);
  }
  void zero(i64 from, i64 to) const {
    for_vectors(from * E, to * E, [&](i64 i, i64 n) { store_n(dscores + i, vf{}, n); });
  }
  void one_token(i64 t, const float* f, float factor) const {
    const float* s = scores + t * E;
    float sum = sum_over(E, [&](i64 e, i64 n) { return load_n(s + e, n); }) + 1e-20f;
    float mean = sum_over(E, [&](i64 e, i64 n) { return load_n(s + e, n) * load_n(f + e, n); }) / sum;
    for_vectors(0, E,
                [&](i64 e, i64 n) { store_n(dscores + t * E + e, set1(factor / sum) * (load_n(f + e, n) - mean), n); });
  }
};

constexpr Kernel router_kernels[] = {
    row<router_f32>("router_f32"),
    row<router_backward_f32>("router_backward_f32"),
    row<expert_counts>("expert_counts"),
    row<balance_bias>("balance_bias"),
    row<balance_loss_f32>("balance_loss_f32"),
    row<balance_loss_backward_f32>("balance_loss_backward_f32"),
};

}  // namespace minke::MINKE_ISA
