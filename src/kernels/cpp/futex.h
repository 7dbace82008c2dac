// Sleeping on a word, waking its sleepers, and pausing while spinning: Linux, WebAssembly, and C++20 atomics elsewhere.
#pragma once
#include <stdint.h>

#if defined(__wasm__)

inline void futex_wait(uint32_t* word, uint32_t expected) {
  __builtin_wasm_memory_atomic_wait32(reinterpret_cast<int*>(word), int(expected), -1);
}
inline void futex_wake_all(uint32_t* word) {
  __builtin_wasm_memory_atomic_notify(reinterpret_cast<int*>(word), 0xffffffffu);
}

#elif defined(__linux__)

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
inline void futex_wait(uint32_t* word, uint32_t expected) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}
inline void futex_wake_all(uint32_t* word) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 0x7fffffff, nullptr, nullptr, 0);
}

#else

#include <atomic>
inline void futex_wait(uint32_t* word, uint32_t expected) {
  reinterpret_cast<std::atomic<uint32_t>*>(word)->wait(expected);
}
inline void futex_wake_all(uint32_t* word) { reinterpret_cast<std::atomic<uint32_t>*>(word)->notify_all(); }

#endif

inline void cpu_relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
