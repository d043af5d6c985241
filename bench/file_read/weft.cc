// Many fibers read random blocks of a file that the kernel does not have in memory: reads a second,
// and CPU time each. Every block says where it lies.

#include <fcntl.h>
#include <unistd.h>
#include <weft/weft.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/arguments.h"
#include "support/check.h"
#include "support/clock.h"
#include "support/workers.h"

namespace {

constexpr std::size_t kBlock = 4096;
constexpr std::uint64_t kBlocks = 32'768;  // 128 MiB
constexpr int kReadsEach = 400;

using Block = std::array<std::uint64_t, kBlock / sizeof(std::uint64_t)>;

// A file without a name, on the disk that the current folder is on, and out of the kernel's memory.
int make_cold_file() {
  std::string path = "file_read-XXXXXX";
  const int fd = ::mkstemp(path.data());
  bench::check(fd >= 0 && ::unlink(path.c_str()) == 0, "a file in the current folder");
  Block block{};
  for (std::uint64_t i = 0; i < kBlocks; ++i) {
    block[0] = i;
    bench::check(::write(fd, &block, kBlock) == static_cast<ssize_t>(kBlock), "write");
  }
  bench::check(::fsync(fd) == 0 && ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "fsync");
  bench::check(::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) == 0, "posix_fadvise");
  return fd;
}

void read_blocks(const weft::File& file, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Block block;
  for (int i = 0; i < kReadsEach; ++i) {
    const std::uint64_t number = random() % kBlocks;
    const std::size_t got = file.read_at(std::as_writable_bytes(std::span(block)), number * kBlock);
    bench::check(got == kBlock && block[0] == number, "the block that was asked for");
  }
}

void read_all(std::int64_t fibers) {
  const int cold = make_cold_file();
  const weft::File file = weft::File::open("/proc/self/fd/" + std::to_string(cold), O_RDONLY);
  bench::check(::posix_fadvise(file.native_handle(), 0, 0, POSIX_FADV_RANDOM) == 0, "fadvise");
  const std::int64_t wall = bench::monotonic_ns();
  const std::int64_t cpu = bench::process_cpu_ns();
  std::vector<weft::Task<void>> tasks;
  for (std::int64_t i = 0; i < fibers; ++i) {
    tasks.push_back(weft::spawn([&file, i] { read_blocks(file, static_cast<std::uint64_t>(i)); }));
  }
  for (auto& task : tasks) task.get();
  const double reads = static_cast<double>(fibers) * kReadsEach;
  std::printf("{\"reads_per_s\": %.0f, \"cpu_us\": %.2f}\n",
              reads * 1e9 / static_cast<double>(bench::monotonic_ns() - wall),
              static_cast<double>(bench::process_cpu_ns() - cpu) / 1e3 / reads);
  ::close(cold);
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t fibers = bench::count_from(argc, argv, 64);
  weft::run(weft::Options{.workers = bench::workers()}, [fibers] { read_all(fibers); });
}
