// Node-API binding of the command queue: opens a pool, moves bytes, submits jobs, reports completion. Only translates.
//
// Memory is reserved in large aligned blocks and addressed by plain numbers (48 bits fit a double). Every copy between
// JavaScript and device memory is checked against the reserved blocks, so a wrong address is an error, not a crash.
#include <node_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mutex>
#include <new>
#include <vector>

#include "futex.h"
#include "mapped-files.h"
#include "napi-machine.h"
#include "pool.h"
#if defined(__linux__) || defined(__APPLE__)
#include <sys/mman.h>
#include <sys/stat.h>
#endif

namespace minke {

namespace {

constexpr i64 kAwaitedJob = -1;

struct Block {
  char* address;
  size_t bytes;
};

struct Completion {
  i64 id;
  Fault fault;
};

struct Thread {
  pthread_t id;
  Pool* pool;
  char* scratch;
};

struct Device {
  Pool pool;
  std::vector<Thread*> threads;
  std::vector<Block> blocks;
  std::vector<Block> files;  // mapped
  napi_threadsafe_function completed = nullptr;
  uint32_t awaited = 0;  // 1 while runNow waits
  bool exact = false;    // every reservation its own malloc, so that AddressSanitizer sees each buffer's end
};

struct Arguments {
  napi_env env;
  napi_value values[6] = {};
  Device* device = nullptr;
  Arguments(napi_env env, napi_callback_info info) : env(env) {
    size_t count = 6;
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
    void* found = nullptr;
    if (napi_get_value_external(env, values[0], &found) == napi_ok) device = static_cast<Device*>(found);
  }
  double number(int i) {
    double x = 0;
    napi_get_value_double(env, values[i], &x);
    return x;
  }
  char* address(int i) { return reinterpret_cast<char*>(uintptr_t(number(i))); }
};

char* map_block(size_t bytes) {
#if defined(__linux__) || defined(__APPLE__)
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
#if defined(__linux__)
  madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return static_cast<char*>(p);
#else
  return static_cast<char*>(malloc(bytes));
#endif
}

void unmap_block(const Block& block, bool exact) {
#if defined(__linux__) || defined(__APPLE__)
  if (!exact) {
    munmap(block.address, block.bytes);
    return;
  }
#endif
  free(block.address);
}

void close_mapping(const Block& file) {
#if defined(__linux__) || defined(__APPLE__)
  forget_mapped(file.address);
#endif
  unmap_block(file, false);
}

void* thread_main(void* data) {
  auto* thread = static_cast<Thread*>(data);
  Worker worker = {thread->scratch, thread->pool->threads, nullptr, &thread->pool->tuning};
  thread->pool->work(worker);
  return nullptr;
}

// Returns null where the system has no memory for one more thread, or no thread.
Thread* start_thread(Pool* pool) {
  void* scratch = nullptr;
  if (posix_memalign(&scratch, 64, kScratchBytes)) return nullptr;
  auto* thread = new Thread{{}, pool, static_cast<char*>(scratch)};
  if (!pthread_create(&thread->id, nullptr, thread_main, thread)) return thread;
  free(scratch);
  delete thread;
  return nullptr;
}

void end_thread(Thread* thread) {
  pthread_join(thread->id, nullptr);
  free(thread->scratch);
  delete thread;
}

void on_complete(Pool& pool, const Job& job) {
  Device* device = static_cast<Device*>(pool.owner);
  if (job.id == kAwaitedJob) {
    __atomic_store_n(&device->awaited, 0, __ATOMIC_RELEASE);
    futex_wake_all(&device->awaited);
    return;
  }
  auto* done = new Completion{job.id, job.fault};
  if (napi_call_threadsafe_function(device->completed, done, napi_tsfn_nonblocking) != napi_ok) delete done;
}

void call_completed(napi_env env, napi_value callback, void*, void* data) {
  auto* done = static_cast<Completion*>(data);
  if (env) {
    napi_value undefined;
    napi_get_undefined(env, &undefined);
    napi_value arguments[] = {number(env, double(done->id)),          number(env, done->fault.code),
                              number(env, done->fault.command),       number(env, double(done->fault.where)),
                              number(env, double(done->fault.value)), number(env, double(done->fault.limit))};
    napi_call_function(env, undefined, callback, 6, arguments, nullptr);
  }
  delete done;
}

void close_device(void* data) {
  auto* device = static_cast<Device*>(data);
  device->pool.stop();
  for (Thread* thread : device->threads) end_thread(thread);
  napi_release_threadsafe_function(device->completed, napi_tsfn_abort);
  for (auto& block : device->blocks) unmap_block(block, device->exact);
  for (auto& file : device->files) close_mapping(file);
  device->~Device();
  free(device);
}

// open(threads, exact, completed) -> device, undefined where the system has no memory for its threads
napi_value open(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  void* room = nullptr;
  if (posix_memalign(&room, 64, sizeof(Device))) return nullptr;
  Device* device = new (room) Device();
  device->exact = in.number(1) != 0;
  device->pool.open(kIsa, int(in.number(0)));
  device->pool.on_complete = on_complete;
  device->pool.owner = device;
  napi_create_threadsafe_function(env, in.values[2], nullptr, text(env, "minke"), 0, 1, nullptr, nullptr, nullptr,
                                  call_completed, &device->completed);
  napi_unref_threadsafe_function(env, device->completed);
  for (int i = 0; i < device->pool.threads; i++) {
    Thread* thread = start_thread(&device->pool);
    if (!thread) {
      close_device(device);
      return nullptr;
    }
    device->threads.push_back(thread);
  }
  napi_add_env_cleanup_hook(env, close_device, device);
  napi_value handle;
  napi_create_external(env, device, nullptr, nullptr, &handle);
  return handle;
}

napi_value close(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  napi_remove_env_cleanup_hook(env, close_device, in.device);
  close_device(in.device);
  return nullptr;
}

// kernels(device) -> [name, signature, name, signature, ...], in the order of their numbers
napi_value kernels(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  List list(env);
  for (int i = 0; i < in.device->pool.kernel_count; i++) {
    list.add(in.device->pool.kernels[i]->name);
    list.add(in.device->pool.kernels[i]->signature);
  }
  return list.array;
}

// reserve(device, bytes) -> address, 0 when there is no memory
napi_value reserve(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  size_t bytes = size_t(in.number(1));
  void* p = nullptr;
  if (in.device->exact) {
    if (posix_memalign(&p, 64, bytes)) p = nullptr;
  } else {
    p = map_block(bytes);
  }
  if (p) in.device->blocks.push_back({static_cast<char*>(p), bytes});
  return number(env, double(reinterpret_cast<uintptr_t>(p)));
}

template <typename Unmap>
bool give_back(std::vector<Block>& blocks, const char* address, Unmap unmap) {
  for (size_t i = 0; i < blocks.size(); i++) {
    if (blocks[i].address != address) continue;
    unmap(blocks[i]);
    blocks[i] = blocks.back();
    blocks.pop_back();
    return true;
  }
  return false;
}

// release(device, address)
napi_value release(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  auto unmap = [&](const Block& block) { unmap_block(block, in.device->exact); };
  if (give_back(in.device->blocks, in.address(1), unmap)) return nullptr;
  return fail(env, "release of an address that was never reserved");
}

// mapFile(device, fd, bytes) -> address of the file's bytes, 0 where files cannot be mapped, -1 where this one is
// shorter. Whoever writes there gets pages of its own: the file never changes. Its size is asked after mapping, so that
// a file which was cut before is refused; one that is cut later ends the process, in words (mapped-files.h).
napi_value map_file(napi_env env, napi_callback_info info) {
#if defined(__linux__) || defined(__APPLE__)
  Arguments in(env, info);
  int fd = int(in.number(1));
  size_t bytes = size_t(in.number(2));
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, fd, 0);
  if (p == MAP_FAILED) return number(env, 0);
  struct stat found;
  if (fstat(fd, &found) || size_t(found.st_size) < bytes) {
    munmap(p, bytes);
    return number(env, -1);
  }
  in.device->files.push_back({static_cast<char*>(p), bytes});
  note_mapped(fd, static_cast<char*>(p), bytes);
  return number(env, double(reinterpret_cast<uintptr_t>(p)));
#else
  return number(env, 0);
#endif
}

// unmapFile(device, address)
napi_value unmap_file(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  if (give_back(in.device->files, in.address(1), close_mapping)) return nullptr;
  return fail(env, "unmapping an address that was never mapped");
}

bool inside(const Device& device, const char* address, size_t bytes) {
  for (const Block& block : device.blocks)
    if (address >= block.address && size_t(address - block.address) <= block.bytes &&
        bytes <= block.bytes - size_t(address - block.address))
      return true;
  return false;
}

bool bytes_of(napi_env env, napi_value view, void** data, size_t* bytes) {
  napi_typedarray_type type;
  size_t length;
  if (napi_get_typedarray_info(env, view, &type, &length, data, nullptr, nullptr) != napi_ok) return false;
  static const size_t width[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  *bytes = length * width[type];
  return true;
}

// copyIn(device, address, typed array), copyOut(device, address, typed array)
template <bool in_direction>
napi_value copy(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  void* data;
  size_t bytes;
  if (!bytes_of(env, in.values[2], &data, &bytes)) return fail(env, "copy needs a typed array");
  if (bytes == 0) return nullptr;
  char* address = in.address(1);
  if (!inside(*in.device, address, bytes)) return fail(env, "copy outside device memory");
  if (in_direction)
    memcpy(address, data, bytes);
  else
    memcpy(data, address, bytes);
  return nullptr;
}

// submit(device, address, words, id) -> false when too many jobs are under way
napi_value submit(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  auto* words = reinterpret_cast<const double*>(in.address(1));
  bool taken = in.device->pool.submit(words, i64(in.number(2)), i64(in.number(3)));
  napi_value result;
  napi_get_boolean(env, taken, &result);
  return result;
}

// runNow(device, address, words) -> seconds of CPU time that the list took, in which other processes do not count;
// nothing else is under way
napi_value run_now(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  auto* words = reinterpret_cast<const double*>(in.address(1));
  in.device->awaited = 1;
  double begun = seconds_now(CLOCK_PROCESS_CPUTIME_ID);
  in.device->pool.submit(words, i64(in.number(2)), kAwaitedJob);
  while (__atomic_load_n(&in.device->awaited, __ATOMIC_ACQUIRE)) futex_wait(&in.device->awaited, 1);
  return number(env, seconds_now(CLOCK_PROCESS_CPUTIME_ID) - begun);
}

// tune(device, streams, ahead, panels), while no job is under way
napi_value tune(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  in.device->pool.tuning = {i64(in.number(1)), i64(in.number(2)), i64(in.number(3))};
  return nullptr;
}

// hold(device, busy): whether the event loop must stay alive for a completion
napi_value hold(napi_env env, napi_callback_info info) {
  Arguments in(env, info);
  if (in.number(1) != 0)
    napi_ref_threadsafe_function(env, in.device->completed);
  else
    napi_unref_threadsafe_function(env, in.device->completed);
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {{"open", open},
                   {"close", close},
                   {"isa", isa},
                   {"cpuIsas", cpu_isas},
                   {"describeCpu", cpu_description},
                   {"measureBf16", bf16_rates},
                   {"kernels", kernels},
                   {"sizes", sizes},
                   {"reserve", reserve},
                   {"release", release},
                   {"copyIn", copy<true>},
                   {"copyOut", copy<false>},
                   {"submit", submit},
                   {"hold", hold},
                   {"compiler", compiler},
                   {"mapFile", map_file},
                   {"unmapFile", unmap_file},
                   {"tune", tune},
                   {"runNow", run_now}};
  for (const auto& function : functions) {
    napi_value value;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.call, nullptr, &value);
    napi_set_named_property(env, exports, function.name, value);
  }
  return exports;
}

}  // namespace minke
