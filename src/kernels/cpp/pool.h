// The command queue's engine: runs jobs (command lists) in order of submission on a fixed set of threads.
//
// The tasks of a stage are cut into one range a thread, always at the same places, so that rows which a thread has
// written stay in its cache for the next stage; a thread that has finished its own range takes from the back of
// another. Each range is one 64-bit word (sequence, next task, end). The thread that finishes a stage's last task
// starts the next stage, and runs stages of one task by itself with no synchronization. No thread waits for one that
// has no task, so a thread which the operating system has suspended costs only its own work. Idle threads spin briefly,
// then sleep.
#pragma once
#include "kernel.h"

namespace minke {

constexpr int kMaxKernels = 256;
constexpr int kMaxThreads = 256;
constexpr int kMaxJobs = 64;  // submitted and not yet completed; TypeScript keeps further ones

struct Job {
  const double* words;  // commands: kernel, number of words, words...
  i64 count;            // words in all
  i64 id;
  Fault fault;
};

struct Pool {
  // Written by the thread that starts a stage before it publishes it, read by claimers after they won it.
  struct Stage {
    const Kernel* kernel;
    const double* words;
    int phase;
  };

  struct alignas(64) Range {
    uint64_t word;  // sequence:24 | next task:20 | end:20
  };

  alignas(64) uint64_t sequence;  // of the running stage
  alignas(64) uint64_t finished;
  alignas(64) uint64_t total;  // tasks of the stage
  Range ranges[kMaxThreads];
  int joined;
  alignas(64) uint32_t wake;
  uint32_t sleepers;
  alignas(64) uint32_t lock;
  alignas(64) Stage stage;

  Job jobs[kMaxJobs];
  uint32_t submitted, completed;  // job counters, modulo 2^32
  bool running;
  uint32_t stopping;
  int threads;

  i64 cursor;  // of the running job: word index of the current command
  int32_t command;
  int phase;

  const Kernel* kernels[kMaxKernels];
  int kernel_count;
  void (*on_complete)(Pool& pool, const Job& job);
  void* owner;
  Tuning tuning;  // changed between jobs only

  void open(const Isa& isa, int thread_count);
  bool submit(const double* words, i64 count, i64 id);  // false when kMaxJobs are under way
  void work(Worker& worker);                            // the loop of a thread; returns after stop()
  void stop();

 private:
  void publish(i64 tasks);
  bool claim(int owner, bool own, Worker& worker);
  void advance(Worker& worker);
  bool advance_job(Worker& worker, Job& job);
  void acquire();
  void release();
};

}  // namespace minke
