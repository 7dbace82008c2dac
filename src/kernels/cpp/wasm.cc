// WebAssembly binding of the command queue: the pool, one instruction set's kernels, and how completions reach
// JavaScript. Only translates; the counterpart of napi.cc.
//
// One translation unit, because the npm toolchain starts once for each. Linked twice from one object: with shared
// memory every thread is an instance of the module in a worker, with its own stack and scratch over the same memory;
// without, `run_one` computes a list on the caller's thread. Static data is set up once, by whichever instance
// comes first (wasm-ld's passive segments).
#include "agreed-sizes.h"
#include "attention-backward.cc"
#include "attention.cc"
#include "gemm-blocks.cc"
#include "gemm-groups.cc"
#include "gemm.cc"
#include "head-pages.cc"
#include "isa.cc"
#include "pool.cc"

namespace minke {

namespace {

// The memory that JavaScript reads: `count` completions so far, the last kMaxJobs of them in `ring`. Numbers are f64,
// so that every value up to 2^53 arrives as it is. The reader holds back submissions, so that nothing unread is
// overwritten.
struct Completions {
  alignas(64) uint32_t count;
  struct {
    double id, code, command, where, value, limit;
  } ring[kMaxJobs];
};

Pool pool;
Completions completions;

__attribute__((import_module("env"), import_name("completed"))) extern "C" void host_completed();

void on_complete(Pool&, const Job& job) {
  const Fault& fault = job.fault;
  completions.ring[completions.count % kMaxJobs] = {double(job.id),      double(fault.code),  double(fault.command),
                                                    double(fault.where), double(fault.value), double(fault.limit)};
  __atomic_store_n(&completions.count, completions.count + 1, __ATOMIC_SEQ_CST);
  futex_wake_all(&completions.count);
  host_completed();
}

// The only thread leaves work() after its list instead of sleeping, which memory that is not shared would refuse.
void on_complete_alone(Pool&, const Job& job) {
  on_complete(pool, job);
  pool.stopping = 1;
}

}  // namespace

#define MINKE_EXPORT(name) extern "C" __attribute__((export_name(#name))) auto minke_##name

MINKE_EXPORT(open)(int threads, int alone)->void {
  pool.open(kIsa, threads);
  pool.on_complete = alone ? on_complete_alone : on_complete;
}
MINKE_EXPORT(lanes)()->int { return kIsa.lanes; }
MINKE_EXPORT(panel_width)()->int { return kIsa.panel_width; }
MINKE_EXPORT(panel_order)()->const char* { return kIsa.panel_order; }
MINKE_EXPORT(max_jobs)()->int { return kMaxJobs; }
MINKE_EXPORT(kernel_count)()->int { return pool.kernel_count; }
MINKE_EXPORT(kernel_name)(int i)->const char* { return pool.kernels[i]->name; }
MINKE_EXPORT(kernel_signature)(int i)->const char* { return pool.kernels[i]->signature; }
MINKE_EXPORT(size_count)()->int { return kAgreedCount; }
MINKE_EXPORT(size_name)(int i)->const char* { return agreed_size(i).name; }
MINKE_EXPORT(size_value)(int i)->double { return double(agreed_size(i).value); }
MINKE_EXPORT(scratch_bytes)()->int { return int(kScratchBytes); }
MINKE_EXPORT(completions)()->Completions* { return &completions; }
MINKE_EXPORT(submit)(const double* words, double count, double id)->int {
  return pool.submit(words, i64(count), i64(id));
}
MINKE_EXPORT(stop)()->void { pool.stop(); }

// The loop of a thread, until stop().
MINKE_EXPORT(work)(char* scratch)->void {
  Worker worker = {scratch, pool.threads, nullptr, &pool.tuning};
  pool.work(worker);
}

// Computes the one submitted list, alone.
MINKE_EXPORT(run_one)(char* scratch)->void {
  pool.stopping = 0;
  minke_work(scratch);
}

}  // namespace minke
