// What the hooks add to a read(2) that finds something: bytes are read one at a time that have been
// written before, by libc's call and by the hooked one in turn, in the same fiber. The median of
// the batches of each, and of the differences between neighbours.

#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "support/check.h"
#include "support/clock.h"

namespace {

constexpr int kReads = 4096;  // of a batch; a pipe holds as many
constexpr int kBatches = 101;

using Read = ssize_t (*)(int, void*, std::size_t);

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// A read, in ns.
double time_batch(Read read, int from, int to) {
  const std::array<char, kReads> bytes{};
  bench::check(::write(to, bytes.data(), kReads) == kReads, "there is room");
  char byte = 1;
  int wrong = 0;
  const std::int64_t begin = bench::monotonic_ns();
  for (int i = 0; i < kReads; ++i) wrong += read(from, &byte, 1) == 1 ? byte : 1;
  const std::int64_t end = bench::monotonic_ns();
  bench::check(wrong == 0, "what was written is read");
  return static_cast<double>(end - begin) / kReads;
}

struct Times {
  double libc, hooked, more;
};

Times compare(Read libc_read, int from, int to) {
  std::vector<double> libc, hooked, more;
  for (int i = 0; i < kBatches; ++i) {
    libc.push_back(time_batch(libc_read, from, to));
    hooked.push_back(time_batch(&::read, from, to));
    more.push_back(hooked.back() - libc.back());
  }
  return {median(libc), median(hooked), median(more)};
}

void compare_all() {
  const auto libc_read = reinterpret_cast<Read>(::dlsym(RTLD_NEXT, "read"));
  bench::check(libc_read != nullptr && libc_read != &::read, "the hooks are linked");
  std::array<int, 2> sockets{}, pipe{};
  bench::check(::socketpair(AF_UNIX, SOCK_STREAM, 0, sockets.data()) == 0, "socketpair");
  bench::check(::pipe(pipe.data()) == 0, "pipe");
  const Times socket = compare(libc_read, sockets[0], sockets[1]);
  const Times piped = compare(libc_read, pipe[0], pipe[1]);
  std::printf(
      "{\"socket\": %.1f, \"socket_libc\": %.1f, \"socket_more\": %.1f, "
      "\"pipe\": %.1f, \"pipe_libc\": %.1f, \"pipe_more\": %.1f}\n",
      socket.hooked, socket.libc, socket.more, piped.hooked, piped.libc, piped.more);
}

}  // namespace

int main() { weft::run(weft::Options{.workers = 1}, compare_all); }
