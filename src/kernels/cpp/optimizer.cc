// AdamW and Muon on f32 master weights, and the global gradient norm with its clip coefficient, without a read-back.
//
// Source: Loshchilov and Hutter 2019, Algorithm 2 (decoupled decay); DeepSeek-V3 section 3.3.2 (bf16 moments). What
// changes from step to step lies in a small buffer, so that a recorded step replays with new numbers:
//   hyper = [lr, beta1, beta2, eps, weight decay, 1 - beta1^t, 1 - beta2^t, gradient scale]
// bf16 moments are rounded to nearest even after this step has used their f32 values. Hazard: a bf16 second moment
// no longer changes when 1 - beta2 is below its half ulp of 2^-9, so keep beta2 <= 0.99 with it (V3 uses 0.95).
// One command works on all tensors of a model: a task is a block of one of them.
#include "vectors.h"

namespace minke::MINKE_ISA {

constexpr i64 kParametersATask = 16384;

// The blocks of `size` elements of all rows, one after another.
template <class Row>
i64 count_blocks(const List<Row>& rows, i64 size) {
  i64 count = 0;
  for (i64 r = 0; r < rows.count; r++) count += blocks(rows[r].n, size);
  return count;
}

// f(row, first, end): the elements of block number `block`.
template <class Row, class F>
inline void in_block(const List<Row>& rows, i64 size, i64 block, F f) {
  i64 r = 0;
  for (i64 own; block >= (own = blocks(rows[r].n, size)); r++) block -= own;
  const Row row = rows[r];
  f(row, block * size, smaller(row.n, (block + 1) * size));
}

// In f32: g = grad * scale * clip, m = beta1 m + (1 - beta1) g, v = beta2 v + (1 - beta2) g^2,
// w = (1 - lr decay) w - lr / c1 * m / (sqrt(v / c2) + eps). A clip of NaN (gradient_norm) skips the step.
struct adamw {
  struct Row {
    float* weight;
    const float* grad;
    void *m, *v;
    bf16* half;
    const float* hyper;
    i64 n;
    static constexpr int kWords = 7;
    void fields(Words& w) { w(weight, grad, m, v, half, hyper, n); }
  };
  const float* clip;
  i64 moment_type;
  List<Row> rows;
  static constexpr const char* signature =
      "clip:f32 moment_type:int weight:f32[]! grad:f32[] m:any[]! v:any[]! half:bf16[]! hyper:f32[] n:int[]";
  void fields(Words& w) { w(clip, moment_type, rows); }
  i64 tasks() const { return count_blocks(rows, kParametersATask); }
  void run(i64 task, Worker&) const {
    if (clip && clip[0] != clip[0]) return;
    in_block(rows, kParametersATask, task, [&](const Row& row, i64 first, i64 end) {
      in_format(moment_type, [&](auto format) {
        using M = decltype(format);
        update(row, static_cast<M*>(row.m), static_cast<M*>(row.v), first, end);
      });
    });
  }
  template <class M>
  void update(const Row& row, M* first_moment, M* second_moment, i64 first, i64 end) const {
    const float* hyper = row.hyper;
    float lr = hyper[0], keep1 = hyper[1], keep2 = hyper[2];
    vf beta1 = set1(keep1), beta2 = set1(keep2), fresh1 = set1(1 - keep1), fresh2 = set1(1 - keep2);
    vf eps = set1(hyper[3]), shrink = set1(1 - lr * hyper[4]), step = set1(-lr / hyper[5]), correction = set1(hyper[6]);
    vf scale = set1(clip ? hyper[7] * clip[0] : hyper[7]);
    for_vectors(first, end, [&](i64 i, i64 left) {
      vf g = load_n(row.grad + i, left) * scale;
      vf mean = fma(beta1, load_n(first_moment + i, left), fresh1 * g);
      vf square = fma(beta2, load_n(second_moment + i, left), fresh2 * g * g);
      vf direction = mean / (vsqrt(square / correction) + eps);
      vf w = fma(step, direction, load_n(row.weight + i, left) * shrink);
      store_n(first_moment + i, mean, left);
      store_n(second_moment + i, square, left);
      store_n(row.weight + i, w, left);
      if (row.half) store_n(row.half + i, w, left);
    });
  }
};

// In f32: g = grad * scale * clip, m = momentum m + g, direction = g + momentum m (Nesterov). hyper[1] is the momentum.
// A clip of NaN leaves m and gives a direction of zeros.
struct muon_momentum {
  const float* grad;
  void* m;
  float* direction;
  const float *hyper, *clip;
  i64 moment_type, n;
  static constexpr const char* signature = "grad:f32 m:any! direction:f32! hyper:f32 clip:f32 moment_type:int n:int";
  void fields(Words& w) { w(grad, m, direction, hyper, clip, moment_type, n); }
  i64 tasks() const { return blocks(n, kParametersATask); }
  void run(i64 task, Worker&) const {
    in_format(moment_type, [&](auto format) { add(static_cast<decltype(format)*>(m), task); });
  }
  template <class M>
  void add(M* sums, i64 task) const {
    bool skips = clip && clip[0] != clip[0];
    vf momentum = set1(hyper[1]), scale = set1(clip ? hyper[7] * clip[0] : hyper[7]);
    for_vectors(task * kParametersATask, smaller(n, (task + 1) * kParametersATask), [&](i64 i, i64 left) {
      if (skips) return store_n(direction + i, set1(0), left);
      vf g = load_n(grad + i, left) * scale;
      vf sum = fma(momentum, load_n(sums + i, left), g);
      store_n(sums + i, sum, left);
      store_n(direction + i, fma(momentum, sum, g), left);
    });
  }
};

// w = (1 - lr decay) w - lr factor direction. A clip of NaN skips the step.
struct muon_update {
  float* weight;
  const float *direction, *hyper, *clip;
  float factor;
  i64 n;
  static constexpr const char* signature = "weight:f32! direction:f32 hyper:f32 clip:f32 factor:float n:int";
  void fields(Words& w) { w(weight, direction, hyper, clip, factor, n); }
  i64 tasks() const { return blocks(n, kParametersATask); }
  void run(i64 task, Worker&) const {
    if (clip && clip[0] != clip[0]) return;
    vf shrink = set1(1 - hyper[0] * hyper[4]), step = set1(-hyper[0] * factor);
    for_vectors(task * kParametersATask, smaller(n, (task + 1) * kParametersATask), [&](i64 i, i64 left) {
      store_n(weight + i, fma(step, load_n(direction + i, left), load_n(weight + i, left) * shrink), left);
    });
  }
};

// Norms of tensors. A block's sum of squares is a partial sum; those of a tensor, and of all, are added in f64,
// ascending. norm = |gradient scale| * sqrt(all); coefficient = min(1, max_norm / (norm + 1e-6)), or NaN when the norm
// is not finite: then adamw skips the step, and the norm shows why. norms: of each tensor, with the same scale.
struct gradient_norm {
  struct Row {
    const float* x;
    i64 n;
    static constexpr int kWords = 2;
    void fields(Words& w) { w(x, n); }
  };
  float* partials;
  const float* hyper;
  float *norm, *coefficient, *norms, max_norm;
  List<Row> rows;
  static constexpr int phases = 2;
  static constexpr const char* signature =
      "partials:f32! hyper:f32 norm:f32! coefficient:f32! norms:f32! max_norm:float x:f32[] n:int[]";
  void fields(Words& w) { w(partials, hyper, norm, coefficient, norms, max_norm, rows); }
  i64 tasks(int phase) const { return phase == 0 ? count_blocks(rows, kSquaresPerBlock) : 1; }
  void run(int phase, i64 task, Worker&) const {
    if (phase == 1) return total();
    in_block(rows, kSquaresPerBlock, task, [&](const Row& row, i64 first, i64 end) {
      partials[task] = sum_over(end - first, [&](i64 i, i64 left) {
        vf v = load_n(row.x + first + i, left);
        return v * v;
      });
    });
  }
  void total() const {
    float scale = hyper ? hyper[7] : 1.0f;
    if (scale < 0) scale = -scale;
    double all = 0;
    const float* next = partials;
    for (i64 r = 0; r < rows.count; r++) {
      double own = 0;
      for (i64 left = blocks(rows[r].n, kSquaresPerBlock); left > 0; left--) {
        own += *next;
        all += *next++;
      }
      norms[r] = scalar_sqrt(float(own)) * scale;
    }
    norm[0] = scalar_sqrt(float(all)) * scale;
    float limit = max_norm / (norm[0] + 1e-6f);
    bool finite = norm[0] - norm[0] == 0;
    coefficient[0] = !finite ? __builtin_nanf("") : limit < 1.0f ? limit : 1.0f;
  }
};

// out = a + b for each row, a alone where b is absent. out may be a or b.
struct add_each_f32 {
  struct Row {
    const float *a, *b;
    float* out;
    i64 n;
    static constexpr int kWords = 4;
    void fields(Words& w) { w(a, b, out, n); }
  };
  List<Row> rows;
  static constexpr const char* signature = "a:f32[] b:f32[] out:f32[]! n:int[]";
  void fields(Words& w) { w(rows); }
  i64 tasks() const { return count_blocks(rows, kParametersATask); }
  void run(i64 task, Worker&) const {
    in_block(rows, kParametersATask, task, [&](const Row& row, i64 first, i64 end) {
      for_vectors(first, end, [&](i64 i, i64 left) {
        vf sum = load_n(row.a + i, left);
        store_n(row.out + i, row.b ? sum + load_n(row.b + i, left) : sum, left);
      });
    });
  }
};

constexpr Kernel optimizer_kernels[] = {
    row<adamw>("adamw"),
    row<muon_momentum>("muon_momentum"),
    row<muon_update>("muon_update"),
    row<gradient_norm>("gradient_norm"),
    row<add_each_f32>("add_each_f32"),
};

}  // namespace minke::MINKE_ISA
