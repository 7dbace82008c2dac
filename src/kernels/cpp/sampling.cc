// From logits to tokens; reference/sampling.ts says what is computed. A row is one task, in a fixed order of its own.
//
// Nothing is sorted but a single bin: probabilities fall into bins by exponent and three bits of mantissa, each with its
// count and mass; the limits of top-k and top-p are in some bin, and only that one is put in order. Sums run over
// pieces of 256 ids in ascending order. Left out: one row on several threads.
#include "vectors.h"

namespace minke::MINKE_ISA {

constexpr i64 kDrawPiece = 256;
constexpr int kBinShift = 20;
constexpr i64 kBins = (0x3f800000 >> kBinShift) + 1;  // of probabilities up to 1

struct Ranked {
  float p;
  int32_t id;
};

// Whether a comes before b: larger first, then the lower id.
inline bool ranks_before(const Ranked& a, const Ranked& b) { return a.p > b.p || (a.p == b.p && a.id < b.id); }

// Sorts by rank, in place (heapsort).
inline void sort_ranked(Ranked* items, i64 n) {
  auto sift = [&](i64 root, i64 end) {
    for (i64 child; (child = 2 * root + 1) < end; root = child) {
      if (child + 1 < end && ranks_before(items[child], items[child + 1])) child++;
      if (!ranks_before(items[root], items[child])) return;
      Ranked swapped = items[root];
      items[root] = items[child];
      items[child] = swapped;
    }
  };
  for (i64 i = n / 2; i-- > 0;) sift(i, n);
  for (i64 end = n; end-- > 1;) {
    Ranked swapped = items[0];
    items[0] = items[end];
    items[end] = swapped;
    sift(0, end);
  }
}

inline int32_t float_bits(float x) {
  int32_t result;
  __builtin_memcpy(&result, &x, 4);
  return result;
}

// Log of the sum of e^x; false where an x is no number.
inline bool log_sum_exp(const float* x, i64 V, float* result) {
  float top = max_over(x, V);
  float sum = sum_over(V, [&](i64 i, i64 n) { return keep_n(vexp(load_n(x + i, n) - top), n, vf{}); });
  *result = top + scalar_log(sum);
  return sum == sum;
}

inline bool refuse_nan(const float* x, i64 r, i64 V, Worker& worker) {
  for (i64 i = 0; i < V; i++)
    if (x[i] != x[i]) {
      worker.fail(kNotFinite, r * V + i, 0, 0);
      return true;
    }
  return false;
}

// Probabilities of one row and which of them are kept: those that rank no later than `last`.
struct Draw {
  float* p;  // [V], relative to the largest
  i64 V;
  Ranked* room;  // [V]
  Ranked last;

  bool keeps(i64 i) const { return !ranks_before(last, {p[i], int32_t(i)}); }

  double mass() const {
    double sum = 0;
    for (i64 i = 0; i < V; i++)
      if (keeps(i)) sum += double(p[i]);
    return sum;
  }

  // Keeps, by rank, as many as `count` of those kept so far, or as few as reach `limit` of mass.
  void cut(i64 count, double limit) {
    i64 counts[kBins] = {};
    double masses[kBins] = {};
    for (i64 i = 0; i < V; i++) {
      if (!keeps(i)) continue;
      i64 bin = float_bits(p[i]) >> kBinShift;
      counts[bin]++;
      masses[bin] += double(p[i]);
    }
    i64 bin = kBins - 1;
    i64 seen = 0;
    double sum = 0;
    for (; bin > 0 && seen + counts[bin] < count && sum + masses[bin] < limit; bin--) {
      seen += counts[bin];
      sum += masses[bin];
    }
    i64 n = 0;
    for (i64 i = 0; i < V; i++)
      if (float_bits(p[i]) >> kBinShift == bin && keeps(i)) room[n++] = {p[i], int32_t(i)};
    if (n == 0) return;
    sort_ranked(room, n);
    for (i64 i = 0; i < n; i++) {
      seen++;
      sum += double(room[i].p);
      if (seen >= count || sum >= limit || i == n - 1) {
        last = room[i];
        return;
      }
    }
  }

  i64 pick(float draw) const {
    double target = double(draw) * mass(), sum = 0;
    i64 found = 0;
    for (i64 i = 0; i < V; i++) {
      if (!keeps(i)) continue;
      found = i;
      sum += double(p[i]);
      if (sum > target) break;
    }
    return found;
  }
};

struct sample_tokens {
  const float *logits, *settings;
  const int32_t *edit_start, *edit_ids;
  const float *edit_scales, *edit_adds;
  float* work;
  int32_t* tokens;
  float* logprobs;
  i64 R, V, M;
  static constexpr const char* signature =
      "logits:f32 settings:f32 edit_start:i32 edit_ids:i32 edit_scales:f32 edit_adds:f32 work:f32! tokens:i32! "
      "logprobs:f32! R:int V:int M:int";
  void fields(Words& w) {
    w(logits, settings, edit_start, edit_ids, edit_scales, edit_adds, work, tokens, logprobs, R, V, M);
  }
  i64 tasks() const { return R; }

  void run(i64 r, Worker& worker) const {
    const float* x = logits + r * V;
    float whole;
    if (!log_sum_exp(x, V, &whole) && refuse_nan(x, r, V, worker)) return;
    // [V] edited logits, then probabilities; behind them [V] for ranks
    float* row = work + 3 * r * V;
    bool is_edited = edit_start[r + 1] != edit_start[r];
    const float *edited = x, *own = settings + 5 * r;
    if (is_edited) {
      __builtin_memcpy(row, x, size_t(V) * 4);
      if (!edit(row, r, worker)) return;
      edited = row;
    }
    i64 best = first_largest(edited);
    i64 token = best;
    if (own[0] > 0 && edited[best] < __builtin_inff() && edited[best] > -__builtin_inff()) {
      vf inverse = set1(1.0f / own[0]);
      float top = edited[best];
      for_vectors(0, V, [&](i64 i, i64 n) { store_n(row + i, vexp((load_n(edited + i, n) - top) * inverse), n); });
      token = draw(row, own);
    }
    tokens[r] = int32_t(token);
    logprobs[r] = x[token] - whole;
  }

 private:
  bool edit(float* row, i64 r, Worker& worker) const {
    i64 from = edit_start[r], to = edit_start[r + 1];
    if (from < 0 || to < from || to > M) {
      worker.fail(kBadOffsets, r + 1, to, M);
      return false;
    }
    for (i64 e = from; e < to; e++) {
      i64 id = edit_ids[e];
      if (id < 0 || id >= V) {
        worker.fail(kIndexOutOfRange, e, id, V);
        return false;
      }
      row[id] = (row[id] > 0 ? row[id] / edit_scales[e] : row[id] * edit_scales[e]) + edit_adds[e];
    }
    return true;
  }

  i64 first_largest(const float* x) const {
    i64 piece = 0;
    float top = -__builtin_inff();
    for (i64 at = 0; at < V; at += kDrawPiece) {
      float highest = max_over(x + at, smaller(kDrawPiece, V - at));
      if (highest > top) piece = at, top = highest;
    }
    for (i64 i = piece; i < smaller(V, piece + kDrawPiece); i++)
      if (x[i] == top) return i;
    return 0;
  }

  // Without filters the sums of whole pieces say in which one the draw falls.
  i64 draw(float* p, const float* own) const {
    bool filters = own[1] > 0 || own[2] < 1 || own[3] > 0;
    if (!filters) return draw_of_all(p, own[4]);
    Draw row = {p, V, reinterpret_cast<Ranked*>(p + V), {0, int32_t(V)}};
    if (own[1] > 0) row.cut(i64(own[1]), __builtin_inf());
    if (own[2] < 1) row.cut(V, double(own[2]) * row.mass());
    if (own[3] > row.last.p) row.last = {own[3], int32_t(V)};
    return row.pick(own[4]);
  }

  i64 draw_of_all(const float* p, float u) const {
    double total = 0;
    auto piece = [&](i64 at) {
      i64 n = smaller(kDrawPiece, V - at);
      return double(sum_over(n, [&](i64 i, i64 m) { return load_n(p + at + i, m); }));
    };
    for (i64 at = 0; at < V; at += kDrawPiece) total += piece(at);
    double target = double(u) * total, sum = 0;
    i64 at = 0;
    for (; at + kDrawPiece < V; at += kDrawPiece) {
      double next = sum + piece(at);
      if (next > target) break;
      sum = next;
    }
    i64 found = at;
    for (i64 i = at; i < smaller(V, at + kDrawPiece); i++) {
      if (p[i] == 0) continue;
      found = i;
      sum += double(p[i]);
      if (sum > target) break;
    }
    return found;
  }
};

// The N best of each row: a list kept in order, which few of V values enter.
struct top_logprobs {
  const float* logits;
  int32_t* ids;
  float* logprobs;
  i64 R, V, N;
  static constexpr const char* signature = "logits:f32 ids:i32! logprobs:f32! R:int V:int N:int";
  void fields(Words& w) { w(logits, ids, logprobs, R, V, N); }
  i64 tasks() const { return R; }
  void run(i64 r, Worker& worker) const {
    const float* x = logits + r * V;
    float whole;
    if (!log_sum_exp(x, V, &whole) && refuse_nan(x, r, V, worker)) return;
    int32_t* best = ids + r * N;
    i64 held = 0;
    for (i64 i = 0; i < V; i++) {
      if (held == N && x[i] <= x[best[N - 1]]) continue;
      i64 at = held < N ? held++ : N - 1;
      for (; at > 0 && x[best[at - 1]] < x[i]; at--) best[at] = best[at - 1];
      best[at] = int32_t(i);
    }
    for (i64 i = 0; i < N; i++) logprobs[r * N + i] = x[best[i]] - whole;
  }
};

struct target_logprobs {
  const float* logits;
  const int32_t* targets;
  float* logprobs;
  i64 R, V;
  static constexpr const char* signature = "logits:f32 targets:i32 logprobs:f32! R:int V:int";
  void fields(Words& w) { w(logits, targets, logprobs, R, V); }
  i64 tasks() const { return R; }
  void run(i64 r, Worker& worker) const {
    const float* x = logits + r * V;
    if (targets[r] < 0 || targets[r] >= V) return worker.fail(kIndexOutOfRange, r, targets[r], V);
    float whole;
    if (!log_sum_exp(x, V, &whole) && refuse_nan(x, r, V, worker)) return;
    logprobs[r] = x[targets[r]] - whole;
  }
};

constexpr Kernel sampling_kernels[] = {
    row<sample_tokens>("sample_tokens"),
    row<top_logprobs>("top_logprobs"),
    row<target_logprobs>("target_logprobs"),
};

}  // namespace minke::MINKE_ISA
