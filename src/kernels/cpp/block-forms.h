// ggml's block formats beyond Q8_0 and Q4_0 as data: what a block holds, and what panels keep of it (block-panels.h).
#pragma once
#include "kernel.h"

namespace minke {

enum class Blocks { q4_1, q5_0, q5_1, iq4_nl, mxfp4, q2_K, q3_K, q4_K, q5_K, q6_K, iq4_xs };
enum class Table { none, iq4, e2m1 };

struct Form {
  i64 stored;   // bytes of a block in a file
  int bits;     // of a code
  int bias;     // of an unsigned code above its value
  Table table;  // which turns codes into values
  int parts;    // scales of a group of 32
  bool minimums;
  bool super;      // 256 values with integer scales, else 32 with a factor of their own
  bool is_signed;  // integer scales

  constexpr i64 groups() const { return super ? 8 : 1; }
  constexpr int words() const { return bits; }  // of a column in a group
  constexpr i64 scales() const { return super ? 8 * parts : 0; }
  constexpr i64 header() const { return (2 + scales()) * (minimums ? 2 : 1); }  // bytes of a column
  constexpr i64 bytes() const { return header() + 4 * words() * groups(); }     // of a column
};

constexpr Form form_of(Blocks blocks) {
  switch (blocks) {
    case Blocks::q4_1:
      return {20, 4, 0, Table::none, 1, true, false, false};
    case Blocks::q5_0:
      return {22, 5, 16, Table::none, 1, false, false, false};
    case Blocks::q5_1:
      return {24, 5, 0, Table::none, 1, true, false, false};
    case Blocks::iq4_nl:
      return {18, 4, 128, Table::iq4, 1, false, false, false};
    case Blocks::mxfp4:
      return {17, 4, 128, Table::e2m1, 1, false, false, false};
    case Blocks::q2_K:
      return {84, 4, 0, Table::none, 2, true, true, false};
    case Blocks::q3_K:
      return {110, 4, 4, Table::none, 2, false, true, true};
    case Blocks::q4_K:
      return {144, 4, 0, Table::none, 1, true, true, false};
    case Blocks::q5_K:
      return {176, 5, 0, Table::none, 1, true, true, false};
    case Blocks::q6_K:
      return {210, 6, 32, Table::none, 2, false, true, true};
    case Blocks::iq4_xs:
      return {136, 4, 128, Table::iq4, 1, false, true, true};
  }
  return {};
}

}  // namespace minke
