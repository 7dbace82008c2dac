// A paged cache's records; reference/paged.ts says what they hold.
#pragma once
#include "fp8.h"
#include "rows.h"

namespace minke::MINKE_ISA {

inline vf decode_int8(const uint8_t* codes, i64 n) {
  vi lanes = {};
  if (n >= W)
    lanes = widen(codes);
  else
    for (i64 i = 0; i < n; i++) lanes[i] = codes[i];
  return to_floats((lanes << 24) >> 24);
}

struct PoolLayout {
  i64 blocks, width, codes, tile, format;

  i64 tiles() const { return codes > 0 ? minke::blocks(codes, tile) : 0; }
  i64 scales_bytes() const { return 4 * tiles(); }
  i64 record_bytes() const { return minke::record_bytes(width, codes, larger(1, tile), format); }
  i64 slots() const { return blocks * kBlockTokens; }

  // f32 scales may lie at any even address.
  float scale_at(const uint8_t* record, i64 tile) const {
    float scale;
    __builtin_memcpy(&scale, record + codes + 4 * tile, 4);
    return scale;
  }
  // The values of n codes, without their scale.
  vf decode(const uint8_t* from, i64 n) const { return format == kPoolInt8 ? decode_int8(from, n) : decode_n(from, n); }
  const bf16* rest(const uint8_t* record) const {
    return reinterpret_cast<const bf16*>(record + codes + scales_bytes());
  }
};

// Whether row t is written; a slot outside the pool is a fault, -1 a padding row.
inline bool is_written(const PoolLayout& pool, i64 slot, i64 t, Worker& worker) {
  if (slot < -1 || slot >= pool.slots()) {
    worker.fail(kIndexOutOfRange, t, slot, pool.slots());
    return false;
  }
  return slot >= 0;
}

// The bytes of a sequence's block through the tables [B, max_blocks]; null, with a fault, where its id is none.
inline const uint8_t* block_of(const PoolLayout& layout, const uint8_t* pool, const int32_t* tables, i64 at,
                               Worker& worker) {
  i64 block = tables[at];
  if (block < 0 || block >= layout.blocks) {
    worker.fail(kIndexOutOfRange, at, block, layout.blocks);
    return nullptr;
  }
  return pool + block * kBlockTokens * layout.record_bytes();
}

}  // namespace minke::MINKE_ISA
