#include "kernel.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <optional>
#include <utility>

#include "base/futex.h"
#include "explorer/run.h"

namespace {

struct File {
  int bytes = 0;
  int vain_reads = 0;
  int read_events = 0;
  bool closed = false;
  bool one_reader = false;
  std::optional<epoll_data_t> watched;
  std::uint32_t edge = 0;  // to be reported
};

constexpr int kNobody = -1;
constexpr int kEpoll = 100;

struct Kernel {
  std::array<File, 2> files;
  bool may_refuse = false;
  int made = 0;
  int at_number = kNobody;
  std::array<int, 4> expected{};  // by each thread
  // Changed when somebody should look again: who polls, or who cares whose the number is.
  weft::detail::Atomic<std::uint32_t> edges{0}, numbers{0};
};
std::optional<Kernel> g_kernel;

File& file_at_number() {
  const int running = model::Run::current()->running();
  model::require(g_kernel->at_number != kNobody, "no call on a number that is closed");
  model::require(g_kernel->expected[static_cast<std::size_t>(running)] == g_kernel->at_number,
                 "no call on a number that is another file's by now");
  return g_kernel->files[static_cast<std::size_t>(g_kernel->at_number)];
}

void bump(weft::detail::Atomic<std::uint32_t>& word) {
  word.fetch_add(1);
  weft::detail::futex_wake(word, 4);
}

void add_edge(File& file, std::uint32_t bits) {
  if (!file.watched) return;
  file.edge |= bits;
  bump(g_kernel->edges);
}

long receive(std::size_t size) {
  model::step("recv");
  File& file = file_at_number();
  if (file.bytes == 0) {
    ++file.vain_reads;
    model::require(!file.one_reader || file.vain_reads <= 1 + file.read_events,
                   "nobody is told what is meant for another file's readers");
    errno = EAGAIN;
    return -1;
  }
  const int taken = std::min(file.bytes, static_cast<int>(size));
  file.bytes -= taken;
  return taken;
}

long report(epoll_event* events) {
  model::step("epoll_wait");
  long count = 0;
  for (File& file : g_kernel->files) {
    if (file.edge == 0) continue;
    if ((file.edge & EPOLLIN) != 0) ++file.read_events;
    events[count].events = std::exchange(file.edge, 0U);
    events[count++].data = *file.watched;
  }
  return count;
}

}  // namespace

extern "C" {

int epoll_create1(int) noexcept { return kEpoll; }
int eventfd(unsigned, int) noexcept { return kEpoll + 1; }

int epoll_ctl(int, int operation, int number, epoll_event* event) noexcept {
  if (number != model::kNumber) return 0;
  model::step("epoll_ctl");
  File& file = file_at_number();
  if (g_kernel->may_refuse && model::surprise("the kernel refuses to watch")) {
    errno = ENOSPC;
    return -1;
  }
  if (operation == EPOLL_CTL_ADD && file.watched) {
    errno = EEXIST;
    return -1;
  }
  file.watched = epoll_data_t(event->data);  // a copy: the struct is packed
  add_edge(file, EPOLLOUT | (file.bytes > 0 ? std::uint32_t{EPOLLIN} : 0U));
  return 0;
}

int close(int number) {
  if (number != model::kNumber) return 0;
  model::step("close");
  model::require(g_kernel->at_number != kNobody, "a number is closed once");
  File& file = g_kernel->files[static_cast<std::size_t>(g_kernel->at_number)];
  file.closed = true;
  file.watched.reset();
  file.edge = 0;
  g_kernel->at_number = kNobody;
  bump(g_kernel->numbers);
  return 0;
}

long syscall(long number, ...) noexcept {
  va_list arguments;
  va_start(arguments, number);
  static_cast<void>(va_arg(arguments, int));
  auto* const memory = va_arg(arguments, void*);
  long result = -1;
  if (number == SYS_recvfrom) {
    result = receive(va_arg(arguments, std::size_t));
  } else if (number == SYS_epoll_pwait2) {
    result = report(static_cast<epoll_event*>(memory));
  } else {
    errno = ENOSYS;
  }
  va_end(arguments);
  return result;
}

}  // extern "C"

namespace model {

void reset_kernel(bool may_refuse) {
  g_kernel.emplace();
  g_kernel->may_refuse = may_refuse;
}

int open_file(bool one_reader) {
  for (;;) {
    const std::uint32_t seen = g_kernel->numbers.load();
    if (g_kernel->at_number == kNobody) break;
    weft::detail::futex_wait(g_kernel->numbers, seen);
  }
  g_kernel->at_number = g_kernel->made++;
  g_kernel->files[static_cast<std::size_t>(g_kernel->at_number)].one_reader = one_reader;
  bump(g_kernel->numbers);
  return g_kernel->made - 1;
}

void await_file(int file) {
  for (;;) {
    const std::uint32_t seen = g_kernel->numbers.load();
    if (g_kernel->made > file) return;
    weft::detail::futex_wait(g_kernel->numbers, seen);
  }
}

void arrive(int file, int bytes) {
  step("something arrives");
  File& target = g_kernel->files[static_cast<std::size_t>(file)];
  target.bytes += bytes;
  add_edge(target, EPOLLIN);
}

void expect_file(int file) {
  g_kernel->expected[static_cast<std::size_t>(Run::current()->running())] = file;
}

std::uint32_t edges_seen() { return g_kernel->edges.load(); }
void wait_for_edge(std::uint32_t seen) { weft::detail::futex_wait(g_kernel->edges, seen); }
void stop_waiting() { bump(g_kernel->edges); }

bool is_closed(int file) { return g_kernel->files[static_cast<std::size_t>(file)].closed; }

}  // namespace model
