// Attention forward over contiguous keys; attention-rows.h says how.
//
// A task is a block of rows (attention.h) of one sequence and key/value head. Left out: splitting the keys of one row
// over threads (it would change the order).
#include "apart.h"
#include "attention-rows.h"

namespace minke::MINKE_ISA {

template <class F>
struct attention : AttentionBatch {
  using E = typename F::Element;
  const E *q, *k, *v;
  E* o;
  float* lse;
  i64 q_row, q_head, k_row, k_head, v_row, v_head, o_row, o_head;
  float scale;

  void fields(Words& w) {
    w(q, k, v, query_start, key_start, first_position, o, lse, B, max_queries, T, S, Hq, Hkv, Dk, Dv, q_row, q_head,
      k_row, k_head, v_row, v_head, o_row, o_head, causal, window, scale);
  }

  i64 task_rows() const { return rows_of_task(max_queries * group(), B * Hkv); }
  i64 tasks() const { return B * Hkv * blocks(max_queries * group(), task_rows()); }

  // Later blocks see more keys: they come first.
  void run(i64 task, Worker& worker) const {
    i64 most = task_rows(), pairs = B * Hkv;
    i64 block = blocks(max_queries * group(), most) - 1 - task / pairs;
    i64 b = task % pairs / Hkv, h = task % Hkv;
    Sequence s;
    if (!sequence(b, worker, s)) return;
    i64 r0 = block * most, n = smaller(most, s.queries * group() - r0);
    if (n <= 0) return;

    Scratch scratch(worker);
    i64 words = blocks(Dk, F::kEach);
    float* values = scratch.floats(kKeys * packed_width(Dv));
    float* panels = scratch.floats(kKeys * words);
    RowBlock<F> rows(scratch, n, Dk, Dv, scale);
    KeyTile tile = {panels, values, kPanel, kPanel * words, rows.o_width, 0};
    for (i64 r = 0; r < n; r++) {
      i64 i = (r0 + r) / group(), head = h * group() + (r0 + r) % group();
      rows.set(r, q + (s.query + i) * q_row + head * q_head, hidden(s, r0 + r), visible(s, r0 + r));
    }
    i64 last = rows.visible[n - 1];
    for (tile.start = rows.first_tile(); tile.start < last; tile.start += kKeys) {
      i64 keys = smaller(kKeys, last - tile.start), key = s.key + tile.start;
      pack_transposed<F>(k + key * k_row + h * k_head, k_row, keys, Dk, panels);
      pack_values(v + key * v_row + h * v_head, keys, n, values, tile);
      rows.fold_tile(tile);
    }
    for (i64 r = 0; r < n; r++) {
      i64 i = (r0 + r) / group(), head = h * group() + (r0 + r) % group();
      rows.finish(r, o + (s.query + i) * o_row + head * o_head);
      if (lse)
        lse[(s.query + i) * Hq + head] =
            rows.sum[r] == 0 ? -__builtin_inff() : rows.max[r] + vlog(set1(rows.sum[r]))[0];
    }
  }

  // Few rows read f32 values of whole panels where they are: copying would cost as much as using them.
  void pack_values(const E* from, i64 keys, i64 rows, float* to, KeyTile& tile) const {
    if (sizeof(E) == 4 && rows <= kTall && Dv % kPanel == 0) {
      tile.v = reinterpret_cast<const float*>(from);
      tile.v_row = v_row;
      prefetch_rows(from + kKeys * v_row, v_row, Dv);
      return;
    }
    pack_along_rows<F>([&](i64 j) { return from + j * v_row; }, keys, Dv, to, tile.v_row);
    prefetch_rows(from + kKeys * v_row, v_row, Dv);
  }
};

struct attention_f32 : attention<Singles<float>> {
  static constexpr const char* signature =
      "q:f32 k:f32 v:f32 query_start:i32 key_start:i32 first_position:i32 o:f32! lse:f32! B:int max_queries:int T:int "
      "S:int Hq:int Hkv:int Dk:int Dv:int q_row:int q_head:int k_row:int k_head:int v_row:int v_head:int o_row:int "
      "o_head:int causal:int window:int scale:float";
};

struct attention_bf16 : attention<Bf16Words> {
  static constexpr const char* signature =
      "q:bf16 k:bf16 v:bf16 query_start:i32 key_start:i32 first_position:i32 o:bf16! lse:f32! B:int max_queries:int "
      "T:int S:int Hq:int Hkv:int Dk:int Dv:int q_row:int q_head:int k_row:int k_head:int v_row:int v_head:int "
      "o_row:int o_head:int causal:int window:int scale:float";
};

constexpr Kernel attention_kernels[] = {
    row<attention_f32>("attention_f32"),
    row<attention_bf16>("attention_bf16"),
};

}  // namespace minke::MINKE_ISA
