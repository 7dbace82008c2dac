// Rotary position embedding: pairs of a head's elements turned by the angle of the token's position.
//
// Pairs are (x0, x1), (x2, x3)... as in DeepSeek's weights, or (x[i], x[i + dim/2]) where `half` is set (Llama, Qwen).
// cos and sin are [table_length, dim / 2]. Strides are elements; where the rotary part of a head starts is part of the
// addresses; an x_head_stride of 0 gives one head to all. `inverse` turns back: the gradient. out may be x.
#include "rows.h"

namespace minke::MINKE_ISA {

typedef uint64_t vq __attribute__((vector_size(4 * W)));
typedef uint32_t vu_half __attribute__((vector_size(2 * W)));

// W/2 numbers, each twice: [t0, t0, t1, t1, ...]. n is the number of lanes wanted.
inline vf twice(const float* table, i64 n) {
  vu_half part;
  if (n >= W) {
    __builtin_memcpy(&part, table, sizeof part);
  } else {
    vf whole = load_n(table, n / 2);
    __builtin_memcpy(&part, &whole, sizeof part);
  }
  vq wide = __builtin_convertvector(part, vq);
  return reinterpret_cast<vf>(wide | wide << 32);
}

inline vf swap_pairs(vf v) {
  vq q = reinterpret_cast<vq>(v);
  return reinterpret_cast<vf>(q << 32 | q >> 32);
}

struct rope {
  const void* x;
  void* out;
  const float *cos, *sin;
  const int32_t* positions;
  i64 tokens, heads, dim, x_token_stride, x_head_stride, out_token_stride, out_head_stride;
  i64 table_length, half, inverse, x_type;
  static constexpr const char* signature =
      "x:any out:any! cos:f32 sin:f32 positions:i32 tokens:int heads:int dim:int x_token_stride:int "
      "x_head_stride:int out_token_stride:int out_head_stride:int table_length:int half:int inverse:int x_type:int";
  void fields(Words& w) {
    w(x, out, cos, sin, positions, tokens, heads, dim, x_token_stride, x_head_stride, out_token_stride, out_head_stride,
      table_length, half, inverse, x_type);
  }
  i64 tasks() const { return row_tasks(tokens, heads * dim); }
  void run(i64 task, Worker& worker) const {
    in_format(x_type, [&](auto type) {
      for_rows(task, tokens, heads * dim, [&](i64 t) {
        i64 position = positions[t];
        if (position < 0 || position >= table_length) return worker.fail(kIndexOutOfRange, t, position, table_length);
        for (i64 h = 0; h < heads; h++) {
          auto from = as(type, x, t * x_token_stride + h * x_head_stride);
          auto to = as(type, out, t * out_token_stride + h * out_head_stride);
          const float *c = cos + position * (dim / 2), *s = sin + position * (dim / 2);
          half ? turn_halves(from, to, c, s) : turn_pairs(from, to, c, s);
        }
      });
    });
  }
  template <class T>
  void turn_pairs(const T* from, T* to, const float* c, const float* s) const {
    // The element that loses: the first of a pair forward, the second backward.
    vq sign = vq{} + (inverse ? uint64_t(0x80000000) << 32 : uint64_t(0x80000000));
    for_vectors(0, dim, [&](i64 i, i64 n) {
      vf v = at(from + i, n);
      vf turn = reinterpret_cast<vf>(reinterpret_cast<vq>(twice(s + i / 2, n)) ^ sign);
      put(to + i, fma(v, twice(c + i / 2, n), swap_pairs(v) * turn), n);
    });
  }
  template <class T>
  void turn_halves(const T* from, T* to, const float* c, const float* s) const {
    i64 count = dim / 2;
    for_vectors(0, count, [&](i64 i, i64 n) {
      vf a = at(from + i, n), b = at(from + count + i, n), turn = at(s + i, n), keep = at(c + i, n);
      if (inverse) turn = -turn;
      put(to + i, fma(a, keep, b * -turn), n);
      put(to + count + i, fma(b, keep, a * turn), n);
    });
  }
};

constexpr Kernel rope_kernels[] = {
    row<rope>("rope"),
};

}  // namespace minke::MINKE_ISA
