// Loops over rows of numbers, whole vectors first and one partial vector last, and reductions over them.
//
// Contract: a sum keeps four running vectors, and element i joins vector (i / W) % 4, so its order of additions depends
// on absolute positions and on nothing else; the tail goes through the same vectors with zeros beyond the end.
#pragma once
#include "simd.h"

namespace minke::MINKE_ISA {

// f(i, n): n elements from i on, n == W except at the end. W is a constant at the first call, so it folds away there.
template <class F>
inline void for_vectors(i64 begin, i64 end, F f) {
  i64 i = begin;
  for (; i + W <= end; i += W) f(i, i64(W));
  if (i < end) f(i, end - i);
}

inline vi lane_numbers() {
  vi lane;
  for (int i = 0; i < W; i++) lane[i] = i;
  return lane;
}

// v in the first n lanes, `other` beyond.
inline vf keep_n(vf v, i64 n, vf other) { return lane_numbers() < set1i(int32_t(smaller(n, W))) ? v : other; }

constexpr int kSums = 4;

struct Sum {
  vf part[kSums] = {};
  float total() const { return reduce_add((part[0] + part[1]) + (part[2] + part[3])); }
};

// f(i, n, j): adds the n elements from i on to part j of the caller's sums.
template <class F>
inline void for_sums(i64 count, F f) {
  i64 i = 0;
  for (; i + kSums * W <= count; i += kSums * W)
    for (int j = 0; j < kSums; j++) f(i + j * W, i64(W), j);
  for (int j = 0; i < count; i += W, j++) f(i, smaller(W, count - i), j);
}

// Sum of value(i, n) over [0, count); value gives zeros beyond n.
template <class F>
inline float sum_over(i64 count, F value) {
  Sum sum;
  for_sums(count, [&](i64 i, i64 n, int j) { sum.part[j] += value(i, n); });
  return sum.total();
}

// A sum over a long row, which several threads may share: pieces of kPiece elements, added in order.
template <class F>
inline float sum_in_pieces(i64 count, F value) {
  float sum = 0;
  for (i64 from = 0; from < count; from += kPiece)
    sum += sum_over(smaller(kPiece, count - from), [&](i64 i, i64 n) { return value(from + i, n); });
  return sum;
}

inline float max_over(const float* x, i64 count) {
  vf low = set1(-__builtin_inff());
  vf top[kSums] = {low, low, low, low};
  for_sums(count, [&](i64 i, i64 n, int j) { top[j] = vmax(keep_n(load_n(x + i, n), n, low), top[j]); });
  return reduce_max(vmax(vmax(top[0], top[1]), vmax(top[2], top[3])));
}

// Calls f with a float or a bf16, as the format code says (dtype.ts); TypeScript has refused other codes.
template <class F>
inline void in_format(i64 type, F f) {
  if (type == kTypeBf16)
    f(bf16());
  else
    f(float());
}

inline float scalar_exp(float x) { return vexp(set1(x))[0]; }
inline float scalar_log(float x) { return vlog(set1(x))[0]; }
inline float scalar_sqrt(float x) { return vsqrt(set1(x))[0]; }

}  // namespace minke::MINKE_ISA
