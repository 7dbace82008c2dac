// Rows of logits cut at fixed places: their maxima, sums of exponentials, and those near the top.
//
// A row falls into pieces of kPiece logits (vectors.h) and goes through five steps: scan and edit, sums, a floor under
// which nothing can be chosen, the candidates above it, the choice. Steps over pieces may run on several threads;
// without a workspace one task takes a row through all of them. The arithmetic is the same either way. The floor only
// saves work: it lies below every logit that the choice could need, so no bit depends on it.
#pragma once
#include "rows.h"

namespace minke::MINKE_ISA {

constexpr i64 kGroup = 16;                       // vectors whose lanes share their maxima
static_assert(kPieceMaxima == kPiece / kGroup);  // for every vector width
constexpr int kSteps = 5;
constexpr bool kPieceStep[kSteps] = {true, true, false, true, false};

constexpr int kBins = int(kThresholdBins);
struct Histogram {
  double weight[kBins];
  uint32_t count[kBins];
};
static_assert(sizeof(Histogram) == kThresholdBins * 12);

struct Piece {
  float raw_top, top;
  int32_t best;  // lowest id that holds `top`
  float raw_sum, sum;
  int32_t candidates;
};

// One row's memory: sampling_row_words of sizes.h.
struct Row {
  const float* raw;
  const float* x;  // raw, or `edited`
  float *edited, *weights, *maxima, *floor;
  int32_t* ids;
  Piece* pieces;
  i64 r, V;

  Row(const float* logits, i64 row, i64 length, float* base) {
    r = row;
    V = length;
    raw = x = logits + r * V;
    edited = base;
    weights = edited + V;
    ids = reinterpret_cast<int32_t*>(weights + V);
    maxima = weights + 2 * V;
    pieces = reinterpret_cast<Piece*>(maxima + count() * kPieceMaxima);
    floor = maxima + count() * (kPieceMaxima + kPieceWords);
  }
  i64 count() const { return blocks(V, kPiece); }
  i64 size(i64 p) const { return smaller(kPiece, V - p * kPiece); }
  float raw_top() const {
    float top = pieces[0].raw_top;
    for (i64 p = 1; p < count(); p++) top = pieces[p].raw_top > top ? pieces[p].raw_top : top;
    return top;
  }
  const Piece& best() const {
    i64 best = 0;
    for (i64 p = 1; p < count(); p++)
      if (pieces[p].top > pieces[best].top) best = p;
    return pieces[best];
  }
  // log of the sum of exp(raw - raw_top), with the bits of cross_entropy_f32
  float log_sum() const {
    float sum = 0;
    for (i64 p = 0; p < count(); p++) sum += pieces[p].raw_sum;
    return scalar_log(sum);
  }
  float sum() const {
    float sum = 0;
    for (i64 p = 0; p < count(); p++) sum += pieces[p].sum;
    return sum;
  }
};

// A float as a number whose order is that of floats; -0 is 0.
inline uint32_t key_of(float x) {
  float plain = x + 0.0f;
  uint32_t u;
  __builtin_memcpy(&u, &plain, 4);
  return u & 0x80000000u ? ~u : u | 0x80000000u;
}
inline float value_of(uint32_t key) {
  uint32_t u = key & 0x80000000u ? key & 0x7fffffffu : ~key;
  float x;
  __builtin_memcpy(&x, &u, 4);
  return x;
}

// Where a walk from the largest key down first has `target` weight or more; `above` is the weight before that key.
struct Threshold {
  uint32_t key;
  double above;
  bool reached;  // false: all together have less
};

// By radix, 11, 11 and 10 bits. Weights are added in ascending order of position.
template <class Key, class Weight>
inline Threshold threshold_of(i64 count, double target, Histogram& bins, Key key, Weight weight) {
  constexpr int shifts[] = {21, 10, 0};
  Threshold result = {0, 0, true};
  uint32_t fixed = 0;
  for (int shift : shifts) {
    __builtin_memset(&bins, 0, sizeof(bins));
    for (i64 i = 0; i < count; i++) {
      uint32_t k = key(i);
      if ((k & fixed) != result.key) continue;
      uint32_t bin = (k & ~fixed) >> shift;
      bins.weight[bin] += weight(i);
      bins.count[bin]++;
    }
    int last = -1;
    double above = result.above, before = above;
    for (int bin = kBins - 1; bin >= 0; bin--) {
      if (bins.count[bin] == 0) continue;
      last = bin;
      before = above;
      above += bins.weight[bin];
      if (above >= target) break;
    }
    if (shift == shifts[0] && (last < 0 || above < target)) return {0, above, false};
    result.above = before;
    result.key |= uint32_t(last) << shift;
    fixed = ~((uint32_t(1) << shift) - 1);
  }
  return result;
}

// Step 0 on one array: its top, the lowest index that holds it, maxima of groups; false where there is a NaN.
inline bool scan(const float* x, i64 count, float* maxima, float& top, int32_t& index) {
  const vf low = set1(-__builtin_inff());
  vf best = low;
  vi odd = {};
  for (i64 g = 0; g < kPieceMaxima; g += W) {
    vf group = low;
    for_vectors(smaller(count, g * kGroup), smaller(count, (g + W) * kGroup), [&](i64 i, i64 n) {
      vf v = keep_n(load_n(x + i, n), n, low);
      odd |= v != v;
      group = vmax(v, group);
    });
    store(maxima + g, group);
    best = vmax(group, best);
  }
  top = reduce_max(best);
  i64 g = 0;
  while (g < kPieceMaxima && maxima[g] != top) g++;
  i64 i = g / W * W * kGroup;
  while (i < count && x[i] != top) i++;
  index = int32_t(i < count ? i : 0);
  int32_t any = 0;
  for (int k = 0; k < W; k++) any |= odd[k];
  return any == 0;
}

// exp((x - top) / T), where the top itself is 1 even if it is infinite
inline vf weight_of(vf x, float top, float inverse) {
  vf shift = (x - top) * inverse;
  return vexp(x == top ? vf{} : shift);
}

inline void sum_piece(const Row& row, i64 p, float raw_top) {
  const float* x = row.raw + p * kPiece;
  row.pieces[p].raw_sum =
      sum_over(row.size(p), [&](i64 i, i64 n) { return keep_n(vexp(load_n(x + i, n) - raw_top), n, vf{}); });
}

// The k-th largest of the maxima: no larger than the k-th largest logit.
inline float floor_of_largest(const Row& row, i64 k, Histogram& bins) {
  i64 count = row.count() * kPieceMaxima;
  if (k > count) return -__builtin_inff();
  Threshold found =
      threshold_of(count, double(k), bins, [&](i64 i) { return key_of(row.maxima[i]); }, [](i64) { return 1.0; });
  return value_of(found.key);
}

// Step 3: ids and logits of a piece from the floor on, ascending.
inline void gather(const Row& row, i64 p) {
  i64 begin = p * kPiece, size = row.size(p), found = 0;
  const float *x = row.x + begin, *maxima = row.maxima + p * kPieceMaxima;
  float *to = row.weights + begin, floor = *row.floor;
  int32_t* ids = row.ids + begin;
  for (i64 g = 0; g < kPieceMaxima && g * kGroup < size; g += W) {
    if (!(reduce_max(load(maxima + g)) >= floor)) continue;
    i64 i = g * kGroup, end = smaller(size, (g + W) * kGroup);
#if defined(MINKE_AVX512)
    // A store writes whole vectors, but found <= i, so none ends after the piece.
    for (; i + W <= end; i += W) {
      __m512 v = (__m512)load(x + i);
      __mmask16 above = _mm512_cmp_ps_mask(v, (__m512)set1(floor), _CMP_GE_OQ);
      vi id = lane_numbers() + int32_t(begin + i);
      _mm512_storeu_ps(to + found, _mm512_maskz_compress_ps(above, v));
      _mm512_storeu_si512(ids + found, _mm512_maskz_compress_epi32(above, (__m512i)id));
      found += __builtin_popcount(above);
    }
#endif
    for (; i < end; i++) {
      to[found] = x[i];
      ids[found] = int32_t(begin + i);
      found += x[i] >= floor;
    }
  }
  row.pieces[p].candidates = int32_t(found);
}

// The candidates of all pieces end to end.
inline i64 join(const Row& row) {
  i64 count = row.pieces[0].candidates;
  for (i64 p = 1; p < row.count(); p++) {
    i64 from = p * kPiece, found = row.pieces[p].candidates;
    for (i64 i = 0; i < found && count != from; i++) {
      row.weights[count + i] = row.weights[from + i];
      row.ids[count + i] = row.ids[from + i];
    }
    count += found;
  }
  return count;
}

// What a kernel of this family has in common: tasks and the walk through the steps of K, step(s, row, p, worker).
template <class K>
inline i64 tasks_of_step(const K& kernel, int step) {
  if (kernel.workspace) return kernel.R * (kPieceStep[step] ? blocks(kernel.V, kPiece) : 1);
  return step == 0 ? row_tasks(kernel.R, kernel.V) : 0;
}
template <class K>
inline void run_step(const K& kernel, int step, i64 task, Worker& worker) {
  i64 pieces = blocks(kernel.V, kPiece);
  if (kernel.workspace) {
    i64 r = kPieceStep[step] ? task / pieces : task;
    kernel.step(step, Row(kernel.logits, r, kernel.V, kernel.workspace + r * sampling_row_words(kernel.V)),
                kPieceStep[step] ? task % pieces : 0, worker);
    return;
  }
  for_rows(task, kernel.R, kernel.V, [&](i64 r) {
    Row row(kernel.logits, r, kernel.V, reinterpret_cast<float*>(worker.scratch + sizeof(Histogram)));
    for (int s = 0; s < kSteps; s++)
      for (i64 p = 0; p < (kPieceStep[s] ? pieces : 1); p++)
        if (!kernel.step(s, row, p, worker)) return;
  });
}
inline Histogram& bins_of(Worker& worker) { return *reinterpret_cast<Histogram*>(worker.scratch); }

}  // namespace minke::MINKE_ISA
