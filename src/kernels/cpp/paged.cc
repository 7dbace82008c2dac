// The paged cache: rows into records of a pool, and records back into rows. reference/paged.ts says what a record is.
//
// FP8 records have the bits of quantize_tiles_e4m3, with tiles of their own length; mla_cache_write has those of
// rms_norm, rope and cache_write.
#include "paged.h"

namespace minke::MINKE_ISA {

// The scale that makes the largest number 127; NaN, with codes of 0, where one is not finite.
inline float int8_scale(const float* x, i64 n, float top) {
  vf total = {};
  for_vectors(0, n, [&](i64 i, i64 left) { total = total + at(x + i, left) * 0.0f; });
  return (top > 0 ? top / 127.0f : 1.0f) + fold_lanes(total, [](vf a, vf b) { return a + b; })[0];
}

// x / scale to nearest, ties to even: 1.5 * 2^23 leaves no bit behind the point.
inline void encode_int8(const float* x, i64 n, float scale, uint8_t* codes) {
  const vf magic = set1(12582912.0f);
  for_vectors(0, n, [&](i64 i, i64 left) {
    vf y = at(x + i, left) / set1(scale);
    store_codes(codes + i, to_ints(y == y ? (y + magic) - magic : vf{}), left);
  });
}

inline void write_record(const PoolLayout& pool, const float* row, uint8_t* to) {
  if (pool.format == kPoolF32) {
    __builtin_memcpy(to, row, size_t(4 * pool.width));
    return;
  }
  for (i64 tile = 0; tile < pool.tiles(); tile++) {
    i64 c = tile * pool.tile, n = smaller(pool.tile, pool.codes - c);
    float top = reduce_max(abs_max(row + c, n, vf{})), scale;
    if (pool.format == kPoolInt8) {
      scale = int8_scale(row + c, n, top);
      encode_int8(row + c, n, scale, to + c);
    } else {
      scale = scale_of(top, false);
      encode_run(row + c, n, set1(scale), to + c);
    }
    __builtin_memcpy(to + pool.codes + 4 * tile, &scale, 4);
  }
  bf16* rest = reinterpret_cast<bf16*>(to + pool.codes + pool.scales_bytes());
  for_vectors(pool.codes, pool.width, [&](i64 c, i64 n) { put(rest + c - pool.codes, at(row + c, n), n); });
}

inline void read_record(const PoolLayout& pool, const uint8_t* record, float* to) {
  if (pool.format == kPoolF32) {
    __builtin_memcpy(to, record, size_t(4 * pool.width));
    return;
  }
  for (i64 tile = 0; tile < pool.tiles(); tile++) {
    vf scale = set1(pool.scale_at(record, tile));
    for_vectors(tile * pool.tile, smaller(pool.codes, (tile + 1) * pool.tile),
                [&](i64 i, i64 n) { put(to + i, pool.decode(record + i, n) * scale, n); });
  }
  const bf16* rest = pool.rest(record);
  for_vectors(pool.codes, pool.width, [&](i64 c, i64 n) { put(to + c, at(rest + c - pool.codes, n), n); });
}

struct cache_write {
  const void* rows;
  const int32_t* slots;
  uint8_t* pool;
  i64 tokens, row_ld, rows_type;
  PoolLayout layout;
  static constexpr const char* signature =
      "rows:any slots:i32 pool:u8! tokens:int row_ld:int rows_type:int blocks:int width:int codes:int tile:int "
      "format:int";
  void fields(Words& w) {
    w(rows, slots, pool, tokens, row_ld, rows_type, layout.blocks, layout.width, layout.codes, layout.tile,
      layout.format);
  }
  i64 tasks() const { return row_tasks(tokens, layout.width); }
  void run(i64 task, Worker& worker) const {
    for_rows(task, tokens, layout.width, [&](i64 t) {
      if (is_written(layout, slots[t], t, worker))
        write(t, pool + slots[t] * layout.record_bytes(), reinterpret_cast<float*>(worker.scratch));
    });
  }
  void write(i64 t, uint8_t* to, float* row) const {
    if (rows_type == kTypeF32) return write_record(layout, as(float(), rows, t * row_ld), to);
    const bf16* from = as(bf16(), rows, t * row_ld);
    if (layout.format == kPoolBf16) {
      __builtin_memcpy(to, from, size_t(2 * layout.width));
      return;
    }
    for_vectors(0, layout.width, [&](i64 c, i64 n) { put(row + c, at(from + c, n), n); });
    write_record(layout, row, to);
  }
};

struct mla_cache_write {
  const float *x, *gain, *cos, *sin;
  const int32_t *positions, *slots;
  uint8_t* pool;
  i64 tokens, latent, table_length;
  float eps;
  PoolLayout layout;
  static constexpr const char* signature =
      "x:f32 gain:f32 cos:f32 sin:f32 positions:i32 slots:i32 pool:u8! tokens:int latent:int table_length:int "
      "eps:float blocks:int width:int codes:int tile:int format:int";
  void fields(Words& w) {
    w(x, gain, cos, sin, positions, slots, pool, tokens, latent, table_length, eps, layout.blocks, layout.width,
      layout.codes, layout.tile, layout.format);
  }
  i64 tasks() const { return row_tasks(tokens, layout.width); }
  void run(i64 task, Worker& worker) const {
    float* row = reinterpret_cast<float*>(worker.scratch);
    rope turn = {};
    turn.dim = layout.width - latent;
    for_rows(task, tokens, layout.width, [&](i64 t) {
      if (!is_written(layout, slots[t], t, worker)) return;
      i64 position = positions[t], pairs = turn.dim / 2;
      if (position < 0 || position >= table_length) return worker.fail(kIndexOutOfRange, t, position, table_length);
      const float* from = x + t * layout.width;
      normalize(from, gain, row, latent, inverse_rms(from, latent, eps));
      turn.turn_pairs(from + latent, row + latent, cos + position * pairs, sin + position * pairs);
      write_record(layout, row, pool + slots[t] * layout.record_bytes());
    });
  }
};

struct cache_read {
  const uint8_t* pool;
  const int32_t *tables, *starts;
  float* out;
  i64 B, S, max_blocks;
  PoolLayout layout;
  static constexpr const char* signature =
      "pool:u8 tables:i32 starts:i32 out:f32! B:int S:int max_blocks:int blocks:int width:int codes:int tile:int "
      "format:int";
  void fields(Words& w) {
    w(pool, tables, starts, out, B, S, max_blocks, layout.blocks, layout.width, layout.codes, layout.tile,
      layout.format);
  }
  // The first task also checks the starts, so that bad ones are found even where there are no rows.
  i64 tasks() const { return larger(1, row_tasks(S, layout.width)); }
  void run(i64 task, Worker& worker) const {
    if (!check(worker)) return;
    i64 b = 0;
    for_rows(task, S, layout.width, [&](i64 r) {
      while (b < B && starts[b + 1] <= r) b++;
      if (b == B || r < starts[b]) {
        __builtin_memset(out + r * layout.width, 0, size_t(4 * layout.width));
        return;
      }
      i64 token = r - starts[b];
      const uint8_t* block = block_of(layout, pool, tables, b * max_blocks + token / kBlockTokens, worker);
      if (block) read_record(layout, block + token % kBlockTokens * layout.record_bytes(), out + r * layout.width);
    });
  }
  bool check(Worker& worker) const {
    if (B > 0 && starts[0] < 0) {
      worker.fail(kBadOffsets, 0, starts[0], S);
      return false;
    }
    for (i64 b = 0; b < B; b++) {
      i64 n = starts[b + 1] - i64(starts[b]);
      if (n >= 0 && starts[b + 1] <= S && n <= max_blocks * kBlockTokens) continue;
      worker.fail(kBadOffsets, b + 1, starts[b + 1], S);
      return false;
    }
    return true;
  }
};

constexpr Kernel paged_kernels[] = {
    row<cache_write>("cache_write"),
    row<mla_cache_write>("mla_cache_write"),
    row<cache_read>("cache_read"),
};

}  // namespace minke::MINKE_ISA
