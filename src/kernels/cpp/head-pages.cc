// Pages of heads: keys and values of every head in blocks of 64 tokens, and attention over them with the bits of
// attention.cc. reference/head-pages.ts says what lies where.
//
// A block is a key tile as attention-rows.h multiplies it, so nothing is packed or transposed when it is read, however
// few the rows. A task of attention is a block of rows of one sequence and key head.
#include "apart.h"
#include "attention-rows.h"
#include "rows.h"

namespace minke::MINKE_ISA {

// One block of a head: keys [words of the width][64 tokens], then values [64 / each][Dv], in 32-bit words.
template <class F>
struct HeadLayout {
  i64 blocks, Hkv, Dk, Dv;
  i64 key_words() const { return minke::blocks(Dk, F::kEach) * kBlockTokens; }
  i64 words() const { return key_words() + kBlockTokens / F::kEach * Dv; }
  i64 slots() const { return blocks * kBlockTokens; }
};

template <class F>
struct head_cache_write {
  using E = typename F::Element;
  const E *keys, *values;
  const int32_t* slots;
  uint8_t* pool;
  i64 tokens;
  HeadLayout<F> layout;
  void fields(Words& w) { w(keys, values, slots, pool, tokens, layout.Hkv, layout.Dk, layout.Dv, layout.blocks); }
  i64 width() const { return layout.Hkv * (layout.Dk + layout.Dv); }
  i64 tasks() const { return row_tasks(tokens, width()); }
  void run(i64 task, Worker& worker) const {
    for_rows(task, tokens, width(), [&](i64 t) {
      i64 slot = slots[t];
      if (slot < -1 || slot >= layout.slots()) return worker.fail(kIndexOutOfRange, t, slot, layout.slots());
      if (slot < 0) return;
      for (i64 h = 0; h < layout.Hkv; h++) write_head(t, h, slot / kBlockTokens, slot % kBlockTokens);
    });
  }
  // A word holds kEach neighbors: of the width in keys, of the tokens in values.
  void write_head(i64 t, i64 h, i64 block, i64 at) const {
    constexpr i64 each = F::kEach;
    const auto [blocks, Hkv, Dk, Dv] = layout;
    E* to = reinterpret_cast<E*>(pool) + (block * Hkv + h) * layout.words() * each;
    const E* key = keys + (t * Hkv + h) * Dk;
    for (i64 d = 0; d < Dk; d++) to[(d / each * kBlockTokens + at) * each + d % each] = key[d];
    const E* value = values + (t * Hkv + h) * Dv;
    to += layout.key_words() * each + at / each * Dv * each + at % each;
    for (i64 c = 0; c < Dv; c++) to[c * each] = value[c];
  }
};

template <class F>
struct head_attention {
  using E = typename F::Element;
  const E* q;
  const uint8_t* pool;
  const int32_t *tables, *lengths, *query_start;
  E* out;
  i64 B, T, max_queries, max_blocks, Hq;
  HeadLayout<F> layout;
  i64 window;
  float scale;
  void fields(Words& w) {
    w(q, pool, tables, lengths, query_start, out, B, T, max_queries, max_blocks, Hq, layout.Hkv, layout.Dk, layout.Dv,
      window, scale, layout.blocks);
  }

  i64 group() const { return Hq / larger(1, layout.Hkv); }
  i64 task_rows() const { return rows_of_task(max_queries * group(), B * layout.Hkv); }
  i64 row_blocks() const { return blocks(max_queries * group(), task_rows()); }
  // The last task clears rows of no sequence.
  i64 tasks() const { return B * layout.Hkv * row_blocks() + 1; }

  // Later blocks see more keys: they come first.
  void run(i64 task, Worker& worker) const {
    i64 pairs = B * layout.Hkv;
    if (task == pairs * row_blocks()) return clear_rest();
    i64 block = row_blocks() - 1 - task / pairs, b = task % pairs / layout.Hkv, h = task % layout.Hkv;
    i64 query = query_start[b], queries = query_start[b + 1] - query, length = lengths[b];
    if (!is_sound(b, query, queries, length, worker)) return;
    i64 r0 = block * task_rows(), n = smaller(task_rows(), queries * group() - r0);
    if (n <= 0) return;

    auto place = [&](i64 r) { return (query + (r0 + r) / group()) * Hq + h * group() + (r0 + r) % group(); };
    Scratch scratch(worker);
    RowBlock<F> rows(scratch, n, layout.Dk, layout.Dv, scale);
    for (i64 r = 0; r < n; r++) {
      i64 visible = length - queries + (r0 + r) / group() + 1;
      rows.set(r, q + place(r) * layout.Dk, hidden_keys(visible, window), visible);
    }
    KeyTile tile = {nullptr, nullptr, kBlockTokens, kPanel, layout.Dv, rows.first_tile()};
    for (i64 last = rows.visible[n - 1]; tile.start < last; tile.start += kKeys) {
      i64 at = b * max_blocks + tile.start / kBlockTokens, id = tables[at];
      if (id < 0 || id >= layout.blocks) return worker.fail(kIndexOutOfRange, at, id, layout.blocks);
      tile.k = reinterpret_cast<const float*>(pool) + (id * layout.Hkv + h) * layout.words();
      tile.v = tile.k + layout.key_words();
      rows.fold_tile(tile);
    }
    for (i64 r = 0; r < n; r++) rows.finish(r, out + place(r) * layout.Dv);
  }

  bool is_sound(i64 b, i64 query, i64 queries, i64 length, Worker& worker) const {
    auto bad = [&](FaultCode code, i64 where, i64 value, i64 limit) {
      worker.fail(code, where, value, limit);
      return false;
    };
    i64 widest = larger(layout.Dk, layout.Dv), room = max_blocks * kBlockTokens;
    if (widest > kWidestHead) return bad(kIndexOutOfRange, 0, widest, kWidestHead + 1);
    if (query < 0) return bad(kBadOffsets, b, query, T);
    if (queries < 0 || query + queries > T || queries > max_queries)
      return bad(kBadOffsets, b + 1, query + queries, smaller(T, query + max_queries));
    if (queries > 0 && (length < queries || length > room)) return bad(kBadOffsets, b, length, room);
    return true;
  }

  void clear_rest() const {
    i64 width = Hq * layout.Dv, first = B > 0 ? larger(0, smaller(T, query_start[0])) : T;
    i64 end = B > 0 ? larger(0, smaller(T, query_start[B])) : 0;
    __builtin_memset(out, 0, size_t(first * width) * sizeof(E));
    __builtin_memset(out + end * width, 0, size_t((T - end) * width) * sizeof(E));
  }
};

struct head_cache_write_f32 : head_cache_write<Singles<float>> {
  static constexpr const char* signature =
      "keys:f32 values:f32 slots:i32 pool:u8! tokens:int Hkv:int Dk:int Dv:int blocks:int";
};

struct head_cache_write_bf16 : head_cache_write<StoredPairs> {
  static constexpr const char* signature =
      "keys:bf16 values:bf16 slots:i32 pool:u8! tokens:int Hkv:int Dk:int Dv:int blocks:int";
};

struct head_attention_f32 : head_attention<Singles<float>> {
  static constexpr const char* signature =
      "q:f32 pool:u8 tables:i32 lengths:i32 query_start:i32 out:f32! B:int T:int max_queries:int max_blocks:int Hq:int "
      "Hkv:int Dk:int Dv:int window:int scale:float blocks:int";
};

struct head_attention_bf16 : head_attention<StoredPairs> {
  static constexpr const char* signature =
      "q:bf16 pool:u8 tables:i32 lengths:i32 query_start:i32 out:bf16! B:int T:int max_queries:int max_blocks:int "
      "Hq:int Hkv:int Dk:int Dv:int window:int scale:float blocks:int";
};

constexpr Kernel head_page_kernels[] = {
    row<head_cache_write_f32>("head_cache_write_f32"),
    row<head_cache_write_bf16>("head_cache_write_bf16"),
    row<head_attention_f32>("head_attention_f32"),
    row<head_attention_bf16>("head_attention_bf16"),
};

}  // namespace minke::MINKE_ISA
