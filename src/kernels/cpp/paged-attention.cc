// Attention over a paged cache; reference/paged-attention.ts says what it computes, paged-attention.h how.
//
// With a workspace a task is (sequence, chunk of keys, key head, block of rows) and a second phase merges a row's
// chunks in ascending order: a few queries of long sequences. Without one a task walks all chunks of its rows and
// merges as it goes: prompts. Both give the same bits. All queries and heads that share a chunk read it once. Rollouts
// have another kernel, head-pages.cc, with the bits of training.
#include "paged-attention.h"

namespace minke::MINKE_ISA {

constexpr i64 kPagedRows = 128;    // rows of a task
constexpr i64 kFewestRows = 4;     // of a task that could be split further for idle threads
constexpr i64 kFewestTurned = 16;  // the same where a task turns its keys first
constexpr i64 kManyTasks = 8;      // so that a short last chunk leaves no thread idle
constexpr i64 kEnough = 4;
constexpr i64 kMergeGrain = 16384;  // f32 of the workspace that a merging task reads

struct paged_attention {
  const void* q;
  const uint8_t* pool;
  const int32_t *tables, *lengths, *query_start;
  float *partial, *out;
  i64 B, T, max_queries, max_blocks, Hq, Hkv, Dk, Dv, q_type, k_offset, k_head, v_offset, v_head, window;
  float scale;
  PoolLayout layout;
  static constexpr int phases = 2;
  static constexpr const char* signature =
      "q:any pool:u8 tables:i32 lengths:i32 query_start:i32 partial:f32! out:f32! B:int T:int max_queries:int "
      "max_blocks:int Hq:int Hkv:int Dk:int Dv:int q_type:int k_offset:int k_head:int v_offset:int "
      "v_head:int window:int scale:float "
      "blocks:int width:int codes:int tile:int format:int";
  void fields(Words& w) {
    w(q, pool, tables, lengths, query_start, partial, out, B, T, max_queries, max_blocks, Hq, Hkv, Dk, Dv, q_type,
      k_offset, k_head, v_offset, v_head, window, scale, layout.blocks, layout.width, layout.codes, layout.tile,
      layout.format);
  }

  struct Sequence {
    i64 query, queries, length;
  };
  // What one task computes.
  struct Unit {
    i64 b, head, rows, first, chunk;
    bool alone;  // no other task has keys of its rows
    Sequence s;
  };

  i64 group() const { return Hq / larger(1, Hkv); }
  i64 chunks() const { return max_chunks(max_blocks); }
  bool splits() const { return partial; }
  bool few() const { return group() <= kFewHeads; }

  Sequence sequence(i64 b) const { return {query_start[b], query_start[b + 1] - i64(query_start[b]), lengths[b]}; }
  bool is_sound(const Sequence& s) const {
    return s.query >= 0 && s.queries >= 0 && s.query + s.queries <= T && s.queries <= max_queries &&
           (s.queries == 0 || (s.length >= s.queries && s.length <= max_blocks * kBlockTokens));
  }
  void refuse(i64 b, const Sequence& s, Worker& worker) const {
    if (Dk > kWidestHead || Dv > kWidestHead)
      worker.fail(kIndexOutOfRange, 0, larger(Dk, Dv), kWidestHead + 1);
    else if (s.query < 0)
      worker.fail(kBadOffsets, b, s.query, T);
    else if (s.queries < 0 || s.query + s.queries > T || s.queries > max_queries)
      worker.fail(kBadOffsets, b + 1, s.query + s.queries, smaller(T, s.query + max_queries));
    else
      worker.fail(kBadOffsets, b, s.length, max_blocks * kBlockTokens);
  }

  // What all tasks share: chunks of all sequences, and rows of a task.
  struct Plan {
    i64 chunks, most, rows;  // `most` chunks of one sequence
  };
  // The first chunk that any query of the sequence sees.
  i64 first_chunk(const Sequence& s) const { return hidden_keys(s.length - s.queries + 1, window) / kChunkKeys; }
  i64 chunks_of(const Sequence& s) const { return splits() ? blocks(s.length, kChunkKeys) - first_chunk(s) : 1; }
  Plan plan() const {
    Plan p = {splits() ? 0 : B, 1, 0};
    for (i64 b = 0; b < B && splits(); b++) {
      Sequence s = sequence(b);
      if (!is_sound(s) || s.queries == 0) continue;
      p.chunks += chunks_of(s);
      p.most = larger(p.most, chunks_of(s));
    }
    bool turns = !few();
    i64 rows = max_queries * group(), split = blocks(turns ? kEnough : kManyTasks, larger(1, p.chunks * Hkv));
    i64 step = turns ? kTall : kFewestRows, fewest = turns ? kFewestTurned : kFewestRows;
    p.rows = smaller(kPagedRows, larger(fewest, blocks(blocks(rows, split), step) * step));
    return p;
  }
  i64 row_blocks(const Sequence& s, const Plan& p) const { return blocks(s.queries * group(), p.rows); }
  // A bad sequence has one task, which refuses it.
  i64 tasks_of(const Sequence& s, const Plan& p) const {
    return is_sound(s) ? row_blocks(s, p) * Hkv * chunks_of(s) : 1;
  }
  // Without a split every sequence has as many tasks as the longest may need, so that a task finds its sequence at
  // once.
  i64 most_tasks(const Plan& p) const { return larger(1, blocks(max_queries * group(), p.rows) * Hkv); }
  i64 merged_rows(const Plan& p) const { return larger(1, kMergeGrain / (Dv * p.most)); }

  i64 tasks(int phase) const {
    Plan p = plan();
    if (phase == 1) return blocks(T * Hq, merged_rows(p));
    if (!splits()) return B * most_tasks(p);
    i64 n = 0;
    for (i64 b = 0; b < B; b++) n += tasks_of(sequence(b), p);
    return n;
  }

  void run(int phase, i64 task, Worker& worker) const {
    Plan p = plan();
    if (phase == 1) return merge(task, p);
    Unit unit = {};
    if (!splits()) {
      unit.b = task / most_tasks(p);
      task %= most_tasks(p);
      unit.s = sequence(unit.b);
      if (task >= tasks_of(unit.s, p)) return;
    } else {
      for (;; unit.b++) {
        unit.s = sequence(unit.b);
        i64 n = tasks_of(unit.s, p);
        if (task < n) break;
        task -= n;
      }
    }
    if (!is_sound(unit.s) || Dk > kWidestHead || Dv > kWidestHead) return refuse(unit.b, unit.s, worker);
    // Later rows see more keys: they come first.
    i64 count = row_blocks(unit.s, p), block = count - 1 - task % count;
    unit.first = block * p.rows;
    unit.rows = smaller(p.rows, unit.s.queries * group() - unit.first);
    unit.head = task / count % Hkv;
    unit.chunk = first_chunk(unit.s) + task / count / Hkv;
    unit.alone = chunks_of(unit.s) == 1;
    if (layout.format == kPoolF32)
      attend<Singles<float>>(unit, worker);
    else
      attend<Bf16Words>(unit, worker);
  }

  i64 row_of(const Unit& unit, i64 r) const {
    i64 i = unit.first + r;
    return (unit.s.query + i / group()) * Hq + unit.head * group() + i % group();
  }
  i64 visible(const Unit& unit, i64 r) const { return unit.s.length - unit.s.queries + (unit.first + r) / group() + 1; }
  float* partial_of(i64 row, i64 chunk) const { return partial + (row * chunks() + chunk) * Dv; }
  // Highest score and sum of weights.
  float* statistics_of(i64 row, i64 chunk) const {
    return partial + partial_outputs(T, Hq, Dv, max_blocks) + (row * chunks() + chunk) * 2;
  }

  template <class F>
  void attend(const Unit& unit, Worker& worker) const {
    using E = typename F::Element;
    i64 n = unit.rows;
    Scratch scratch(worker);
    PagedRows rows = {};
    rows.n = n;
    rows.q_width = packed_width(blocks(Dk, F::kEach));
    rows.q = scratch.floats(n * rows.q_width);
    rows.p = scratch.floats(n * kChunkKeys);
    rows.weights = rows.p;
    bool scaled = layout.tiles() > 0;
    if (scaled || F::kEach == 2) rows.weights = scratch.floats(n * kChunkKeys / F::kEach);
    rows.top = scratch.floats(n);
    rows.sum = scratch.floats(n);
    rows.hidden = reinterpret_cast<i64*>(scratch.floats(2 * n));
    rows.visible = reinterpret_cast<i64*>(scratch.floats(2 * n));
    float* panel = scratch.floats(kChunkKeys / F::kEach * kPanel);
    float* tops = scratch.floats(n);
    float* sums = scratch.floats(n);
    float* transposed = few() ? nullptr : scratch.floats(kKeys * blocks(Dk, F::kEach));
    Decoded<E> decoded = scaled ? prepare_decoded<E>(unit, scratch) : Decoded<E>{};

    for (i64 r = 0; r < n; r++) {
      E rounded[kWidestHead];
      in_format(q_type, [&](auto type) {
        auto from = as(type, q, row_of(unit, r) * Dk);
        for_vectors(0, Dk, [&](i64 c, i64 n) { put(rounded + c, at(from + c, n), n); });
      });
      pack_row<F>(static_cast<const E*>(rounded), Dk, rows.q + r * rows.q_width);
      rows.visible[r] = visible(unit, r);
      rows.hidden[r] = hidden_keys(rows.visible[r], window);
      tops[r] = -__builtin_inff();
      sums[r] = 0;
    }

    Chunk<E> chunk = {};
    chunk.k_at = scaled ? 0 : k_offset + unit.head * k_head;
    chunk.v_at = scaled ? decoded.v_at : v_offset + unit.head * v_head;
    chunk.tile = layout.tile;
    chunk.codes = decoded.key.codes;
    i64 last = rows.visible[n - 1];
    i64 first = rows.hidden[0] / kChunkKeys * kChunkKeys;
    i64 from = unit.alone ? first : larger(first, unit.chunk * kChunkKeys);
    i64 to = unit.alone ? last : smaller(last, (unit.chunk + 1) * kChunkKeys);
    for (chunk.start = from; chunk.start < to; chunk.start += kChunkKeys) {
      chunk.keys = smaller(kChunkKeys, last - chunk.start);
      if (!find_chunk(unit, chunk, decoded, worker)) return;
      if (!unit.alone) {
        fold_chunk<F>(rows, chunk, Dk, Dv, few(), scale, transposed, panel, after(unit, chunk.start),
                      [&](i64 r, i64 c, i64 columns, vf(&acc)[2]) {
                        float* o = partial_of(row_of(unit, r), unit.chunk) + c;
                        store_n(o, acc[0], columns);
                        if (columns > W) store_n(o + W, acc[1], columns - W);
                      });
        for (i64 r = 0; r < n; r++) {
          if (!rows.sees(r, chunk.start)) continue;
          float* statistics = statistics_of(row_of(unit, r), unit.chunk);
          statistics[0] = rows.top[r];
          statistics[1] = rows.sum[r];
        }
      } else {
        walk_chunk<F>(unit, rows, chunk, transposed, panel, tops, sums);
      }
    }
    if (unit.alone)
      for (i64 r = 0; r < n; r++) divide(out + row_of(unit, r) * Dv, sums[r]);
  }

  // How the sums so far and a chunk's join: o = o * before + chunk * added.
  struct Join {
    float before, added;
  };
  static Join join(float& top, float& sum, float chunk_top, float chunk_sum) {
    float high = vmax(set1(top), set1(chunk_top))[0];
    Join j = {exp_below(set1(top - high))[0], exp_below(set1(chunk_top - high))[0]};
    top = high;
    sum = sum * j.before + chunk_sum * j.added;
    return j;
  }
  static vf joined(vf before, vf chunk, const Join& j) { return fma(chunk, set1(j.added), before * set1(j.before)); }

  template <class F>
  void walk_chunk(const Unit& unit, const PagedRows& rows, const Chunk<typename F::Element>& chunk, float* transposed,
                  float* panel, float* tops, float* sums) const {
    Join joins[kPagedRows];
    bool ready = false;
    auto emit = [&](i64 r, i64 c, i64 columns, vf(&acc)[2]) {
      if (!ready)
        for (i64 i = 0; i < rows.n; i++)
          if (rows.sees(i, chunk.start)) joins[i] = join(tops[i], sums[i], rows.top[i], rows.sum[i]);
      ready = true;
      float* o = out + row_of(unit, r) * Dv + c;
      for (int v = 0; v < 2 && columns > v * W; v++) {
        vf before = rows.hidden[r] >= chunk.start ? vf{} : at(o + v * W, columns - v * W);
        put(o + v * W, joined(before, acc[v], joins[r]), columns - v * W);
      }
    };
    fold_chunk<F>(rows, chunk, Dk, Dv, few(), scale, transposed, panel, after(unit, chunk.start), emit);
  }

  void divide(float* o, float sum) const {
    for_vectors(0, Dv, [&](i64 c, i64 n) { put(o + c, at(o + c, n) / set1(sum), n); });
  }

  // This head's share of the chunk that likely comes next: of this sequence, or else of the next one.
  Prefetch after(const Unit& unit, i64 start) const {
    i64 b = unit.b, from = start + kChunkKeys, length = unit.s.length;
    if (from >= length) {
      if (++b >= B) return {};
      from = larger(0, first_chunk(sequence(b))) * kChunkKeys;
      length = smaller(lengths[b], max_blocks * kBlockTokens);
      if (from >= length) return {};
    }
    i64 whole = kBlockTokens * layout.record_bytes();
    Prefetch next;
    next.bytes = whole / Hkv;
    for (i64 i = blocks(smaller(kChunkKeys, length - from), kKeys) - 1; i >= 0; i--) {
      i64 block = tables[b * max_blocks + from / kKeys + i];
      if (block < 0 || block >= layout.blocks) return {};
      next.later[next.count++] = reinterpret_cast<const char*>(pool) + block * whole + unit.head * next.bytes;
    }
    return next;
  }

  // A head's numbers in a record, the first of them codes, and their scales in a chunk: [tiles][kChunkKeys].
  struct Part {
    i64 from, width, codes;
    float* scales;
    i64 tiles(i64 tile) const { return blocks(codes, tile); }
  };
  // One head of a chunk as bf16: rows of a key, then its value where that is no part of the key.
  template <class E>
  struct Decoded {
    E* rows;
    i64 width, v_at;
    Part key, value;
  };
  template <class E>
  Decoded<E> prepare_decoded(const Unit& unit, Scratch& scratch) const {
    auto part = [&](i64 from, i64 width) {
      i64 codes = larger(0, smaller(width, layout.codes - from));
      return Part{from, width, codes, scratch.floats(blocks(codes, layout.tile) * kChunkKeys)};
    };
    i64 k_at = k_offset + unit.head * k_head, v_at = v_offset + unit.head * v_head;
    bool within = v_at >= k_at && v_at + Dv <= k_at + Dk;
    Decoded<E> d = {nullptr, within ? Dk : Dk + Dv, within ? v_at - k_at : Dk, part(k_at, Dk), {}};
    d.value = part(v_at, Dv);
    d.rows = reinterpret_cast<E*>(scratch.floats(blocks(kChunkKeys * d.width, 2)));
    return d;
  }

  // Where the chunk's records lie. Codes are decoded, their scales turned to [tiles][keys].
  template <class E>
  bool find_chunk(const Unit& unit, Chunk<E>& chunk, const Decoded<E>& decoded, Worker& worker) const {
    // Weights after the last key are zeros: their scales must be numbers.
    if (decoded.rows && chunk.keys < kChunkKeys) {
      clear_scales(decoded.key);
      clear_scales(decoded.value);
    }
    for (i64 i = 0; i * kKeys < chunk.keys; i++) {
      i64 at = unit.b * max_blocks + chunk.start / kKeys + i;
      const uint8_t* block = block_of(layout, pool, tables, at, worker);
      if (!block) return false;
      if (!decoded.rows) {
        chunk.block[i] = reinterpret_cast<const E*>(block);
        continue;
      }
      if constexpr (sizeof(E) == 2) {
        i64 keys = smaller(kKeys, chunk.keys - i * kKeys);
        E* to = decoded.rows + i * kKeys * decoded.width;
        for (i64 j = 0; j < keys; j++, to += decoded.width) {
          const uint8_t* record = block + j * layout.record_bytes();
          decode(record, decoded.key, to);
          if (decoded.v_at == Dk) decode(record, decoded.value, to + Dk);
          turn_scales(record, decoded.key, i * kKeys + j);
          turn_scales(record, decoded.value, i * kKeys + j);
        }
        chunk.block[i] = decoded.rows + i * kKeys * decoded.width;
      }
    }
    chunk.row = decoded.rows ? decoded.width : layout.width;
    chunk.scales = decoded.key.scales;
    chunk.value_scales = decoded.value.scales;
    return true;
  }

  void clear_scales(const Part& part) const {
    __builtin_memset(part.scales, 0, size_t(part.tiles(layout.tile) * kChunkKeys * 4));
  }

  void turn_scales(const uint8_t* record, const Part& part, i64 key) const {
    for (i64 tile = 0; tile < part.tiles(layout.tile); tile++)
      part.scales[tile * kChunkKeys + key] = layout.scale_at(record, part.from / layout.tile + tile);
  }

  // A part of a record: codes as bf16, which is exact, and the rest as it is.
  void decode(const uint8_t* record, const Part& part, bf16* to) const {
    const uint8_t* from = record + part.from;
    i64 c = 0;
#if defined(MINKE_BF16)
    const E4m3Table& table = e4m3_table();
    if (layout.format == kPoolFp8)
      for (; c + 64 <= part.codes; c += 64) decode_codes(table, _mm512_loadu_si512(from + c), to + c);
#endif
    for_vectors(c, part.codes, [&](i64 i, i64 n) { put(to + i, layout.decode(from + i, n), n); });
    __builtin_memcpy(to + part.codes, layout.rest(record) + larger(0, part.from - layout.codes),
                     size_t(2 * (part.width - part.codes)));
  }

  // Rows of no sequence are zeros; those whose keys were split are the sums of their chunks.
  void merge(i64 task, const Plan& p) const {
    i64 end = smaller(T * Hq, (task + 1) * merged_rows(p)), b = 0;
    for (i64 row = task * merged_rows(p); row < end; row++) {
      i64 t = row / Hq;
      while (b < B && query_start[b + 1] <= t) b++;
      if (b == B || t < query_start[b]) {
        __builtin_memset(out + row * Dv, 0, size_t(4 * Dv));
      } else if (chunks_of(sequence(b)) > 1) {
        i64 visible = lengths[b] - query_start[b + 1] + t + 1;
        merge_row(row, hidden_keys(visible, window) / kChunkKeys, visible);
      }
    }
  }

  void merge_row(i64 row, i64 first, i64 visible) const {
    float* o = out + row * Dv;
    float top = -__builtin_inff(), sum = 0;
    for (i64 chunk = first; chunk * kChunkKeys < visible; chunk++) {
      const float *statistics = statistics_of(row, chunk), *part = partial_of(row, chunk);
      Join j = join(top, sum, statistics[0], statistics[1]);
      for_vectors(0, Dv, [&](i64 c, i64 n) {
        put(o + c, joined(chunk == first ? vf{} : at(o + c, n), at(part + c, n), j), n);
      });
    }
    divide(o, sum);
  }
};

constexpr Kernel paged_attention_kernels[] = {
    row<paged_attention>("paged_attention"),
};

}  // namespace minke::MINKE_ISA
