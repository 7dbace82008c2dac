// The declaration of a kernel, for every family and every instruction set.
//
// A kernel is a struct: its fields are the words of one command in order, `signature` says the same in text (the
// TypeScript table must carry the identical string, checked when a device opens), `tasks` says into how many
// independent pieces a phase falls, `run` computes one piece. Words with [] come last: a List, whose rows are structs
// with fields of their own, so that one command works on any number of tensors. Phases run one after another; tasks of
// a phase in any order on any thread. Contract: a task's arithmetic never depends on the thread count or on the other
// tasks.
//
// Freestanding on purpose (no libc, no C++ runtime), so that the same source builds for Node-API and for WebAssembly.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace minke {

using i64 = int64_t;
using bf16 = uint16_t;
using e4m3 = uint8_t;

constexpr size_t kScratchBytes = size_t(2) << 20;

// What a kernel found wrong in data that only it could see. TypeScript turns it into a sentence.
enum FaultCode : int32_t {
  kNoFault = 0,
  kIndexOutOfRange = 1,
  kNotFinite = 2,
  kBadOffsets = 3,
  kTooManyTasks = 4,
  kBadCommand = 5,  // no such kernel (limit 0), or another number of words than it takes
};

struct Fault {
  int32_t code;     // FaultCode
  int32_t command;  // index of the command in its list
  int64_t where;    // position of the offending element
  int64_t value;    // what stood there
  int64_t limit;    // what it had to stay below
};

// How weights that are read once are read. It changes no bits, so each machine has what is fastest there (tuning.ts).
struct Tuning {
  i64 streams;  // 1: loads that say so, where there are some
  i64 ahead;    // bytes fetched before they are read; 0: as the CPU sees fit
  i64 panels;   // read at once, 1 or 2
};

struct Worker {
  char* scratch;  // kScratchBytes, 64-byte aligned, this thread's own; contents do not survive a task
  int threads;
  Fault* fault;  // the running job's; the first fault wins
  const Tuning* tuning;

  void fail(FaultCode code, i64 where, i64 value, i64 limit) {
    int32_t none = kNoFault;
    if (__atomic_compare_exchange_n(&fault->code, &none, int32_t(code), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
      fault->where = where;
      fault->value = value;
      fault->limit = limit;
    }
  }
};

struct Kernel {
  const char* name;
  const char* signature;
  int words;     // of a command; with a list, of one row
  int list_row;  // words of a row of its list; 0 for a kernel without one
  int phases;
  i64 (*tasks)(const double* words, int phase);
  void (*run)(const double* words, int phase, i64 task, Worker& worker);
};

// The rows at the end of a command. A Row has `kWords` of them in its fields.
template <class Row>
struct List {
  const double* words;
  i64 count;
  Row operator[](i64 row) const;
};

// Reads the fields of a kernel from the words of its command, in order. The word before the first is their number.
class Words {
 public:
  explicit Words(const double* words, i64 count) : next(words), end(words + count) {}
  template <class... T>
  void operator()(T&... fields) {
    (read(fields), ...);
  }

 private:
  const double *next, *end;
  template <class Row>
  void read(List<Row>& list) {
    list = {next, (end - next) / Row::kWords};
  }
  template <class T>
  void read(T*& field) {
    field = reinterpret_cast<T*>(uintptr_t(*next++));
  }
  void read(i64& field) { field = i64(*next++); }
  void read(float& field) { field = float(*next++); }
  void read(double& field) { field = *next++; }
};

template <class Row>
Row List<Row>::operator[](i64 row) const {
  Row fields;
  Words reader(words + row * Row::kWords, Row::kWords);
  fields.fields(reader);
  return fields;
}

constexpr int count_words(const char* signature) {
  int count = 1;
  for (; *signature; signature++) count += *signature == ' ';
  return count;
}

constexpr int count_lists(const char* signature) {
  int count = 0;
  for (; *signature; signature++) count += *signature == '[';
  return count;
}

template <class K>
K fields_of(const double* words) {
  K kernel;
  Words reader(words, i64(words[-1]));
  kernel.fields(reader);
  return kernel;
}

// A row of a family's table. A kernel with one phase writes tasks() and run(task, worker); with more, it declares
// `phases` and writes tasks(phase) and run(phase, task, worker).
template <class K>
constexpr Kernel row(const char* name) {
  if constexpr (requires { K::phases; }) {
    return {
        name,
        K::signature,
        count_words(K::signature),
        count_lists(K::signature),
        K::phases,
        [](const double* words, int phase) -> i64 { return fields_of<K>(words).tasks(phase); },
        [](const double* words, int phase, i64 task, Worker& worker) { fields_of<K>(words).run(phase, task, worker); }};
  } else {
    return {name,
            K::signature,
            count_words(K::signature),
            count_lists(K::signature),
            1,
            [](const double* words, int) -> i64 { return fields_of<K>(words).tasks(); },
            [](const double* words, int, i64 task, Worker& worker) { fields_of<K>(words).run(task, worker); }};
  }
}

struct Family {
  const Kernel* kernels;
  int count;
};

template <int N>
constexpr Family family(const Kernel (&kernels)[N]) {
  return {kernels, N};
}

// One instruction set's build of every family.
struct Isa {
  const char* name;
  const Family* families;
  int family_count;
  int lanes;                // f32 lanes of a vector
  int panel_width;          // output columns of a weight panel
  const char* panel_order;  // what lies in it, by panel-layout.ts
  const char* arithmetic;   // of bf16 products, by arithmetic.ts
};

extern const Isa kIsa;  // of this build (isa.cc)

constexpr i64 blocks(i64 n, i64 size) { return (n + size - 1) / size; }
constexpr i64 smaller(i64 a, i64 b) { return a < b ? a : b; }
constexpr i64 larger(i64 a, i64 b) { return a > b ? a : b; }

}  // namespace minke
