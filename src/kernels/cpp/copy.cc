// Kernels that move elements, or number them, and compute nothing: whole blocks, columns of rows, and any order of four
// axes.
#include "rows.h"

namespace minke::MINKE_ISA {

// Bytes moved in queue order: how data enters and leaves while other commands are under way.
struct copy_bytes {
  const uint8_t* from;
  uint8_t* to;
  i64 n;
  static constexpr const char* signature = "from:u8 to:u8! n:int";
  static constexpr i64 kBytes = 1 << 17;  // a task: half a megabyte is worth a second thread
  void fields(Words& w) { w(from, to, n); }
  i64 tasks() const { return blocks(n, kBytes); }
  void run(i64 task, Worker&) const {
    __builtin_memcpy(to + task * kBytes, from + task * kBytes, size_t(smaller(kBytes, n - task * kBytes)));
  }
};

struct zero_bytes {
  uint8_t* to;
  i64 n;
  static constexpr const char* signature = "to:u8! n:int";
  void fields(Words& w) { w(to, n); }
  i64 tasks() const { return blocks(n, copy_bytes::kBytes); }
  void run(i64 task, Worker&) const {
    constexpr i64 size = copy_bytes::kBytes;
    __builtin_memset(to + task * size, 0, size_t(smaller(size, n - task * size)));
  }
};

struct range_i32 {
  int32_t* out;
  i64 n, step;
  static constexpr const char* signature = "out:i32! n:int step:int";
  void fields(Words& w) { w(out, n, step); }
  i64 tasks() const { return blocks(n, kGrain); }
  void run(i64 task, Worker&) const {
    i64 end = smaller(n, (task + 1) * kGrain);
    for (i64 i = task * kGrain; i < end; i++) out[i] = int32_t(i * step);
  }
};

// The same columns of every row, from one row length to another: slice, split and concat of the last axis. Lengths are
// bytes; where the columns start is part of the addresses.
struct copy_columns {
  const uint8_t* from;
  uint8_t* to;
  i64 rows, row_bytes, from_ld, to_ld;
  static constexpr const char* signature = "from:u8 to:u8! rows:int row_bytes:int from_ld:int to_ld:int";
  void fields(Words& w) { w(from, to, rows, row_bytes, from_ld, to_ld); }
  i64 tasks() const { return row_tasks(rows, row_bytes / 4); }
  void run(i64 task, Worker&) const {
    for_rows(task, rows, row_bytes / 4, [&](i64 r) {
      uint8_t* target = to + r * to_ld;
      const uint8_t* source = from + r * from_ld;
      if (row_bytes >= 1024) {
        __builtin_memcpy(target, source, size_t(row_bytes));
      } else {
        i64 i = 0;  // short rows: cheaper than a call
        for (; i + 16 <= row_bytes; i += 16) __builtin_memcpy(target + i, source + i, 16);
        for (; i < row_bytes; i++) target[i] = source[i];
      }
    });
  }
};

// to[i0*t0 + i1*t1 + i2*t2 + i3*t3] = from[i0*f0 + i1*f1 + i2*f2 + i3*f3] for i < n, strides in elements of `width`
// bytes: transposes, [B, T, H, N] <-> [B, H, T, N], and broadcasts by strides of 0.
struct permute {
  const void* from;
  void* to;
  i64 n0, n1, n2, n3, f0, f1, f2, f3, t0, t1, t2, t3, width;
  static constexpr const char* signature =
      "from:any to:any! n0:int n1:int n2:int n3:int f0:int f1:int f2:int f3:int t0:int t1:int t2:int t3:int width:int";
  static constexpr i64 kTile = 16;  // i2 of a unit: a transpose then uses whole cache lines on both sides
  void fields(Words& w) { w(from, to, n0, n1, n2, n3, f0, f1, f2, f3, t0, t1, t2, t3, width); }
  // A unit is one (i0, i1) and kTile values of i2; a task takes several.
  i64 units() const { return n3 > 0 ? n0 * n1 * blocks(n2, kTile) : 0; }
  i64 grain() const { return larger(1, kGrain / (smaller(n2, kTile) * n3)); }
  i64 tasks() const { return units() > 0 ? blocks(units(), grain()) : 0; }
  void run(i64 task, Worker&) const {
    i64 end = smaller(units(), (task + 1) * grain());
    for (i64 unit = task * grain(); unit < end; unit++) {
      if (width == 4)
        move<uint32_t>(unit);
      else if (width == 2)
        move<uint16_t>(unit);
      else
        move<uint8_t>(unit);
    }
  }
  template <class T>
  void move(i64 unit) const {
    i64 strips = blocks(n2, kTile), outer = unit / strips;
    i64 i0 = outer / n1, i1 = outer % n1, i2 = unit % strips * kTile, rows = smaller(kTile, n2 - i2);
    const T* source = static_cast<const T*>(from) + i0 * f0 + i1 * f1 + i2 * f2;
    T* target = static_cast<T*>(to) + i0 * t0 + i1 * t1 + i2 * t2;
    if (f3 == 1 && t3 == 1) {
      for (i64 r = 0; r < rows; r++)
        for (i64 c = 0; c < n3; c++) target[r * t2 + c] = source[r * f2 + c];
    } else if (rows == kTile && f2 == 1 && t3 == 1) {
      for (i64 c = 0; c < n3; c += kTile) transpose(source + c * f3, target + c, smaller(kTile, n3 - c));
    } else {
      for (i64 r = 0; r < rows; r++)
        for (i64 c = 0; c < n3; c++) target[r * t2 + c * t3] = source[r * f2 + c * f3];
    }
  }
  // target[r, c] = source[c, r] of kTile rows and `cols` columns, through a tile that the compiler keeps near.
  template <class T>
  void transpose(const T* source, T* target, i64 cols) const {
    T tile[kTile][kTile];
    for (i64 c = 0; c < cols; c++)
      for (i64 r = 0; r < kTile; r++) tile[r][c] = source[c * f3 + r];
    for (i64 r = 0; r < kTile; r++)
      for (i64 c = 0; c < cols; c++) target[r * t2 + c] = tile[r][c];
  }
};

constexpr Kernel copy_kernels[] = {
    row<copy_bytes>("copy_bytes"),     row<zero_bytes>("zero_bytes"), row<range_i32>("range_i32"),
    row<copy_columns>("copy_columns"), row<permute>("permute"),
};

}  // namespace minke::MINKE_ISA
