// The engine of the command queue; see pool.h. Freestanding: futex.h is the only thing that knows the platform.
#include "pool.h"

#include "futex.h"

namespace minke {

namespace {

constexpr uint64_t kTaskBits = 20;
constexpr uint64_t kTaskMask = (uint64_t(1) << kTaskBits) - 1;
constexpr int kSpins = 4000;  // about 40 us before an idle thread sleeps
// A claim takes a share of what is left, so that many small tasks do not fight for the ticket.
constexpr uint64_t kClaimShare = 4;

uint64_t sequence_of(uint64_t ticket) { return ticket >> (2 * kTaskBits); }
uint64_t next_of(uint64_t ticket) { return (ticket >> kTaskBits) & kTaskMask; }
uint64_t tasks_of(uint64_t ticket) { return ticket & kTaskMask; }

void nothing(const double*, int, i64, Worker&) {}
i64 one(const double*, int) { return 1; }
// Hands the baton to a worker when an idle pool receives a job.
const Kernel kStart = {"start", "", 1, one, nothing};

}  // namespace

void Pool::open(const Isa& isa, int thread_count) {
  ticket = finished = 0;
  wake = sleepers = lock = submitted = completed = stopping = 0;
  running = false;
  threads = thread_count;
  kernel_count = 0;
  for (int f = 0; f < isa.family_count; f++)
    for (int k = 0; k < isa.families[f].count; k++) kernels[kernel_count++] = &isa.families[f].kernels[k];
}

void Pool::acquire() {
  while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) cpu_relax();
}

void Pool::release() { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

void Pool::publish(i64 tasks) {
  finished = 0;
  uint64_t sequence = sequence_of(ticket) + 1;
  __atomic_store_n(&ticket, (sequence << (2 * kTaskBits)) | uint64_t(tasks), __ATOMIC_SEQ_CST);
  if (__atomic_exchange_n(&sleepers, 0, __ATOMIC_SEQ_CST)) {
    __atomic_fetch_add(&wake, 1, __ATOMIC_RELEASE);
    futex_wake_all(&wake);
  }
}

bool Pool::submit(const double* words, i64 count, i64 id) {
  acquire();
  if (submitted - completed == kMaxJobs) {
    release();
    return false;
  }
  jobs[submitted % kMaxJobs] = {words, count, id, {}};
  submitted++;
  bool start = !running;
  running = true;
  if (start) {
    cursor = 0;
    command = phase = 0;
    stage = {&kStart, nullptr, 0};
    publish(1);
  }
  release();
  return true;
}

// Runs stages of one task, publishes the first stage of several. True when the job is done.
bool Pool::advance_job(Worker& worker, Job& job) {
  worker.fault = &job.fault;
  while (cursor < job.count && job.fault.code == kNoFault) {
    const Kernel* kernel = kernels[i64(job.words[cursor])];
    const double* words = job.words + cursor + 2;
    job.fault.command = command;
    while (phase < kernel->phases && job.fault.code == kNoFault) {
      int now = phase++;
      i64 tasks = kernel->tasks(words, now);
      if (tasks > i64(kTaskMask)) {
        worker.fail(kTooManyTasks, now, tasks, i64(kTaskMask));
      } else if (tasks > 1 && threads > 1) {
        stage = {kernel, words, now};
        publish(tasks);
        return false;
      } else {
        for (i64 task = 0; task < tasks; task++) kernel->run(words, now, task, worker);
      }
    }
    cursor += 2 + i64(job.words[cursor + 1]);
    command++;
    phase = 0;
  }
  return true;
}

void Pool::advance(Worker& worker) {
  for (;;) {
    Job& job = jobs[completed % kMaxJobs];
    if (!advance_job(worker, job)) return;
    on_complete(*this, job);
    acquire();
    completed++;
    cursor = 0;
    command = phase = 0;
    if (completed == submitted) {
      running = false;
      release();
      return;
    }
    release();
  }
}

void Pool::work(Worker& worker) {
  int idle = 0;
  while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
    uint64_t seen = __atomic_load_n(&ticket, __ATOMIC_ACQUIRE);
    uint64_t next = next_of(seen), tasks = tasks_of(seen);
    if (next < tasks) {
      uint64_t take = (tasks - next) / (kClaimShare * uint64_t(threads));
      if (take == 0) take = 1;
      if (!__atomic_compare_exchange_n(&ticket, &seen, seen + (take << kTaskBits), false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED))
        continue;
      Stage now = stage;
      worker.fault = &jobs[completed % kMaxJobs].fault;
      for (uint64_t i = 0; i < take; i++) now.kernel->run(now.words, now.phase, i64(next + i), worker);
      if (__atomic_add_fetch(&finished, take, __ATOMIC_ACQ_REL) == tasks) advance(worker);
      idle = 0;
      continue;
    }
    cpu_relax();
    if (++idle < kSpins) continue;
    uint32_t before = __atomic_load_n(&wake, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&sleepers, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&ticket, __ATOMIC_SEQ_CST) == seen && !__atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
      futex_wait(&wake, before);
    idle = 0;
  }
}

void Pool::stop() {
  __atomic_store_n(&stopping, 1, __ATOMIC_SEQ_CST);
  __atomic_fetch_add(&wake, 1, __ATOMIC_SEQ_CST);
  futex_wake_all(&wake);
}

}  // namespace minke
