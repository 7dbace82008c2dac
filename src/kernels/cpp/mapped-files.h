// Says in words why the process ends when a file that it has mapped was cut: the system's own words are "Bus error".
//
// There is no going on: the bytes that a kernel wants are nowhere. So the process still dies of SIGBUS, but its last
// line on stderr names the file. Faults elsewhere go to whoever handled them before. The handler only reads this table
// and writes. Left out: copying files while loading, which costs what mapping saves.
#pragma once

#if defined(__linux__) || defined(__APPLE__)
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <atomic>

namespace minke {

struct MappedFile {
  std::atomic<uintptr_t> begin{0};  // 0: free
  std::atomic<size_t> bytes{0};
  char words[1400];
  size_t length;
};

// More files than these are mapped all the same, without words.
inline MappedFile mapped_files[64];
inline struct sigaction handled_before;

inline void on_bus_error(int signal, siginfo_t* info, void* context) {
  uintptr_t at = reinterpret_cast<uintptr_t>(info->si_addr);
  for (MappedFile& file : mapped_files) {
    uintptr_t begin = file.begin.load();
    if (begin == 0 || at < begin || at - begin >= file.bytes.load()) continue;
    ssize_t written = write(STDERR_FILENO, file.words, file.length);
    (void)written;
    struct sigaction fatal = {};
    fatal.sa_handler = SIG_DFL;
    sigaction(SIGBUS, &fatal, nullptr);
    return;  // the same instruction faults again, now for good
  }
  if (handled_before.sa_flags & SA_SIGINFO)
    handled_before.sa_sigaction(signal, info, context);
  else
    sigaction(SIGBUS, &handled_before, nullptr);
}

inline void install_bus_handler() {
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGBUS, &action, &handled_before);
}

inline void path_of(int fd, char* path, size_t room) {
  path[0] = 0;
#if defined(__APPLE__)
  if (room >= 1024) fcntl(fd, F_GETPATH, path);
#else
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, room - 1);
  if (length > 0) path[length] = 0;
#endif
}

// From the main thread or a worker of Node; each device maps its own files.
inline void note_mapped(int fd, char* address, size_t bytes) {
  static const bool installed = (install_bus_handler(), true);
  (void)installed;
  static std::atomic<unsigned> next{0};
  for (unsigned i = 0; i < 64; i++) {
    MappedFile& file = mapped_files[next++ % 64];
    size_t free = 0;
    if (file.begin.load() != 0 || !file.bytes.compare_exchange_strong(free, bytes)) continue;
    char path[1025];
    path_of(fd, path, sizeof path);
    file.length =
        size_t(snprintf(file.words, sizeof file.words,
                        "minke: the file %s was cut while it was mapped, and what was cut is needed: the process "
                        "ends. Write such files under another name and rename them.\n",
                        path));
    file.begin.store(reinterpret_cast<uintptr_t>(address));
    return;
  }
}

inline void forget_mapped(const char* address) {
  for (MappedFile& file : mapped_files)
    if (file.begin.load() == reinterpret_cast<uintptr_t>(address)) {
      file.begin.store(0);
      file.bytes.store(0);
    }
}

}  // namespace minke
#endif
