// The engine of the command queue; see pool.h. Freestanding: only futex.h depends on the platform.
#include "pool.h"

#include "futex.h"

namespace minke {

namespace {

constexpr uint64_t kTaskBits = 20;
constexpr uint64_t kTaskMask = (uint64_t(1) << kTaskBits) - 1;
constexpr int kSpins = 4000;  // about 40 us before an idle thread sleeps
// A claim takes a share of what a range has left, so that many small tasks do not fight for it.
constexpr uint64_t kClaimShare = 4;

uint64_t make_range(uint64_t sequence, uint64_t next, uint64_t end) {
  return (sequence << (2 * kTaskBits)) | (next << kTaskBits) | end;
}
uint64_t sequence_of(uint64_t range) { return range >> (2 * kTaskBits); }
uint64_t next_of(uint64_t range) { return (range >> kTaskBits) & kTaskMask; }
uint64_t end_of(uint64_t range) { return range & kTaskMask; }

void nothing(const double*, int, i64, Worker&) {}
i64 one(const double*, int) { return 1; }
// Lets a worker start the stages when an idle pool receives a job.
const Kernel kStart = {"start", "", 0, 0, 1, one, nothing};

bool fits(const Kernel& kernel, i64 count) {
  i64 single = kernel.words - kernel.list_row;
  return kernel.list_row ? count >= single && (count - single) % kernel.list_row == 0 : count == kernel.words;
}

}  // namespace

void Pool::open(const Isa& isa, int thread_count) {
  sequence = finished = 0;
  joined = 0;
  for (Range& range : ranges) range.word = 0;
  wake = sleepers = lock = submitted = completed = stopping = 0;
  running = false;
  threads = thread_count < kMaxThreads ? thread_count : kMaxThreads;
  kernel_count = 0;
  tuning = {0, 2048, 2};
  for (int f = 0; f < isa.family_count; f++)
    for (int k = 0; k < isa.families[f].count; k++) kernels[kernel_count++] = &isa.families[f].kernels[k];
}

void Pool::acquire() {
  while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE)) cpu_relax();
}

void Pool::release() { __atomic_store_n(&lock, 0, __ATOMIC_RELEASE); }

void Pool::publish(i64 tasks) {
  finished = 0;
  total = uint64_t(tasks);
  uint64_t next = sequence + 1;
  for (int t = 0; t < threads; t++)
    __atomic_store_n(&ranges[t].word, make_range(next, total * t / threads, total * (t + 1) / threads),
                     __ATOMIC_RELEASE);
  __atomic_store_n(&sequence, next, __ATOMIC_SEQ_CST);
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
    i64 number = i64(job.words[cursor]), count = i64(job.words[cursor + 1]);
    const double* words = job.words + cursor + 2;
    job.fault.command = command;
    bool is_known = number >= 0 && number < kernel_count;
    if (!is_known || !fits(*kernels[number], count)) {
      worker.fail(kBadCommand, number, count, is_known ? kernels[number]->words : 0);
      return true;
    }
    const Kernel* kernel = kernels[number];
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
    cursor += 2 + count;
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

// Takes tasks of one range: from its front by the thread it belongs to, from its back by others.
bool Pool::claim(int owner, bool own, Worker& worker) {
  uint64_t seen = __atomic_load_n(&ranges[owner].word, __ATOMIC_ACQUIRE);
  for (;;) {
    uint64_t next = next_of(seen), end = end_of(seen);
    if (next >= end) return false;
    uint64_t take = (end - next) / kClaimShare + 1;
    uint64_t left =
        own ? make_range(sequence_of(seen), next + take, end) : make_range(sequence_of(seen), next, end - take);
    if (!__atomic_compare_exchange_n(&ranges[owner].word, &seen, left, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
      continue;
    Stage now = stage;
    uint64_t all = total, first = own ? next : end - take;
    worker.fault = &jobs[completed % kMaxJobs].fault;
    for (uint64_t i = 0; i < take; i++) now.kernel->run(now.words, now.phase, i64(first + i), worker);
    if (__atomic_add_fetch(&finished, take, __ATOMIC_ACQ_REL) == all) advance(worker);
    return true;
  }
}

void Pool::work(Worker& worker) {
  int self = __atomic_fetch_add(&joined, 1, __ATOMIC_RELAXED) % threads;
  int idle = 0;
  while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
    uint64_t seen = __atomic_load_n(&sequence, __ATOMIC_ACQUIRE);
    bool worked = claim(self, true, worker);
    for (int t = 1; t < threads && !worked; t++) worked = claim((self + t) % threads, false, worker);
    if (worked) {
      idle = 0;
      continue;
    }
    cpu_relax();
    if (++idle < kSpins) continue;
    uint32_t before = __atomic_load_n(&wake, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&sleepers, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&sequence, __ATOMIC_SEQ_CST) == seen && !__atomic_load_n(&stopping, __ATOMIC_SEQ_CST))
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
