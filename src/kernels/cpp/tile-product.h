// Products on tile registers: up to 32 rows of A times up to 32 columns of B, over any length of the reduction.
//
// A is bf16 as it lies in memory, row after row; B is words [k / 2][columns], two bf16 in a word, the lower step below
// (a panel, or keys and values packed alike); C is f32. The reduction is cut into blocks of 32 from its start, the last
// one filled up with zeros; each is added to the stored sum as tile-unit.h says. So a product may be continued at any
// multiple of 32, and an output's bits depend on its row of A and its column of B only. Of an odd length, the upper
// half of B's last word must be zero. B is read 16 or 32 columns wide; columns that are not asked for are not written.
//   TileUnit unit;                              // releases the registers when it goes
//   multiply_tiles(unit, a, b, k, tile, next);  // tile.sums[rows][columns] (+)= a b
#pragma once
#include "gemm-tile.h"
#include "tile-unit.h"

namespace minke::MINKE_ISA {

constexpr i64 kProductRows = 2 * kUnitRows;

struct TileA {
  const bf16* data;
  i64 pitch;  // elements from one row to the next
  i64 rows;   // 1 to kProductRows
};

struct TileB {
  const float* words;
  i64 pitch;  // words from one row of words to the next
};

// The last block of the reduction, filled up with zeros.
struct TileEdge {
  alignas(64) bf16 a[kProductRows * kUnitSteps];
  alignas(64) float b[kUnitWords * kPanel];

  TileEdge(const TileA& from, const TileB& with, i64 start, i64 steps, i64 columns) {
    __mmask32 some = (__mmask32(1) << steps) - 1;
    for (i64 r = 0; r < from.rows; r++) {
      const bf16* at = will_load(from.data + r * from.pitch + start, steps, kUnitSteps);
      _mm512_store_si512(a + r * kUnitSteps, _mm512_maskz_loadu_epi16(some, at));
    }
    for (i64 w = 0; w < kUnitWords; w++)
      for (i64 c = 0; c < columns; c += W)
        store(b + w * kPanel + c, 2 * w < steps ? load(with.words + (start / 2 + w) * with.pitch + c) : vf{});
  }
};

// Calls on the registers of 1 or 2 x 1 or 2 outputs.
template <bool tall, bool wide>
struct TileSums {
  static MINKE_INLINE void clear(TileUnit& unit) {
    unit.clear<0>();
    if constexpr (wide) unit.clear<1>();
    if constexpr (tall) unit.clear<2>();
    if constexpr (tall && wide) unit.clear<3>();
  }
  static MINKE_INLINE void load(TileUnit& unit, const float* from, i64 ld) {
    unit.load_c<0>(from, ld * 4);
    if constexpr (wide) unit.load_c<1>(from + W, ld * 4);
    if constexpr (tall) unit.load_c<2>(from + kUnitRows * ld, ld * 4);
    if constexpr (tall && wide) unit.load_c<3>(from + kUnitRows * ld + W, ld * 4);
  }
  static MINKE_INLINE void store(const TileUnit& unit, float* to, i64 ld) {
    unit.store_c<0>(to, ld * 4);
    if constexpr (wide) unit.store_c<1>(to + W, ld * 4);
    if constexpr (tall) unit.store_c<2>(to + kUnitRows * ld, ld * 4);
    if constexpr (tall && wide) unit.store_c<3>(to + kUnitRows * ld + W, ld * 4);
  }
  // One block of the reduction; pitches in bytes.
  static MINKE_INLINE void step(TileUnit& unit, const bf16* a, i64 a_pitch, const float* b, i64 b_pitch) {
    unit.load_b<6>(b, b_pitch);
    unit.load_a<4>(a, a_pitch);
    unit.multiply<0, 4, 6>();
    if constexpr (wide) {
      unit.load_b<7>(b + W, b_pitch);
      unit.multiply<1, 4, 7>();
    }
    if constexpr (tall) {
      unit.load_a<5>(reinterpret_cast<const char*>(a) + kUnitRows * a_pitch, a_pitch);
      unit.multiply<2, 5, 6>();
      if constexpr (wide) unit.multiply<3, 5, 7>();
    }
  }

  // Steps `start` to `end` of the reduction, whose blocks begin at multiples of 32.
  template <class Next>
  static MINKE_INLINE void chain(TileUnit& unit, const TileA& a, const TileB& b, i64 start, i64 end, Next& next) {
    for (; start + kUnitSteps <= end; start += kUnitSteps) {
      step(unit, a.data + start, a.pitch * 2, b.words + start / 2 * b.pitch, b.pitch * 4);
      next.fetch();
    }
    if (start == end) return;
    TileEdge edge(a, b, start, end - start, wide ? kPanel : W);
    step(unit, edge.a, kUnitSteps * 2, edge.b, kPanel * 4);
  }
};

// Copies a block of sums whose rows are not whole registers.
inline void copy_sums(const float* from, i64 from_ld, float* to, i64 to_ld, i64 rows, i64 columns) {
  for (i64 r = 0; r < rows; r++)
    for (i64 c = 0; c < columns; c += W)
      store_n(to + r * to_ld + c, load_n(from + r * from_ld + c, columns - c), columns - c);
}

template <bool tall, bool wide, class Next>
MINKE_TILE void multiply_block(TileUnit& unit, const TileA& a, const TileB& b, i64 k, const gemm::Tile& tile,
                               Next& next) {
  using Sums = TileSums<tall, wide>;
  constexpr i64 width = wide ? kPanel : W;
  alignas(64) float edge[kProductRows * kPanel];
  bool whole = tile.columns >= width;
  if (tile.fresh) {
    Sums::clear(unit);
  } else if (whole) {
    Sums::load(unit, tile.sums, tile.ld);
  } else {
    copy_sums(tile.sums, tile.ld, edge, kPanel, a.rows, tile.columns);
    Sums::load(unit, edge, kPanel);
  }
  Sums::chain(unit, a, b, 0, k, next);
  Sums::store(unit, whole ? tile.sums : edge, whole ? tile.ld : kPanel);
  if (!whole) copy_sums(edge, kPanel, tile.sums, tile.ld, a.rows, tile.columns);
}

// Scales of FP8: of rows [rows][tiles] with `a_pitch` between rows, of columns [tiles][kPanel].
struct TileScales {
  const float* a;
  i64 a_pitch;
  const float* b;
};

// A chain covers 128 values; its sum, times both scales, is then added to the stored sum in f32, while the registers
// compute the next one.
template <bool tall, bool wide>
struct Promotion {
  const TileScales& scales;
  const gemm::Tile& tile;
  i64 rows;
  alignas(64) float sums[2][kProductRows * kPanel];

  Promotion(const TileScales& scales, const gemm::Tile& tile, i64 rows) : scales(scales), tile(tile), rows(rows) {}

  void add(i64 at) {
    const float* from = sums[at % 2];
    for (int v = 0; v < (wide ? 2 : 1); v++) {
      vf scale = load(scales.b + at * kPanel + v * W);
      i64 columns = tile.columns - v * W;
      for (i64 r = 0; r < rows; r++) {
        float* to = tile.sums + r * tile.ld + v * W;
        vf total = at == 0 && tile.fresh ? vf{} : load_n(to, columns);
        store_n(to, fma(load(from + r * kPanel + v * W), scales.a[r * scales.a_pitch + at] * scale, total), columns);
      }
    }
  }
};

template <bool tall, bool wide, class Next>
MINKE_TILE void multiply_scaled_block(TileUnit& unit, const TileA& a, const TileB& b, i64 k, const TileScales& scales,
                                      const gemm::Tile& tile, Next& next) {
  using Sums = TileSums<tall, wide>;
  Promotion<tall, wide> promotion(scales, tile, a.rows);
  i64 at = 0;
  for (; at * kTile < k; at++) {
    Sums::clear(unit);
    Sums::chain(unit, a, b, at * kTile, smaller(k, (at + 1) * kTile), next);
    Sums::store(unit, promotion.sums[at % 2], kPanel);
    if (at > 0) promotion.add(at - 1);
  }
  promotion.add(at - 1);
}

// Calls body.template operator()<tall, wide>() with the registers shaped.
template <class Body>
MINKE_INLINE void for_block(TileUnit& unit, i64 rows, i64 columns, const Body& body) {
  bool tall = rows > kUnitRows, wide = columns > W;
  unit.shape(tall ? kUnitRows : rows, tall ? rows - kUnitRows : 0);
  if (tall && wide)
    body.template operator()<true, true>();
  else if (wide)
    body.template operator()<false, true>();
  else if (tall)
    body.template operator()<true, false>();
  else
    body.template operator()<false, false>();
}

template <class Next>
inline void multiply_tiles(TileUnit& unit, const TileA& a, const TileB& b, i64 k, const gemm::Tile& tile, Next& next) {
  for_block(unit, a.rows, tile.columns,
            [&]<bool tall, bool wide>() { multiply_block<tall, wide>(unit, a, b, k, tile, next); });
}

// The same with operands of FP8 as bf16, k at least 1, and their scales.
template <class Next>
inline void multiply_scaled_tiles(TileUnit& unit, const TileA& a, const TileB& b, i64 k, const TileScales& scales,
                                  const gemm::Tile& tile, Next& next) {
  for_block(unit, a.rows, tile.columns,
            [&]<bool tall, bool wide>() { multiply_scaled_block<tall, wide>(unit, a, b, k, scales, tile, next); });
}

}  // namespace minke::MINKE_ISA
