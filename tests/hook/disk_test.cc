// Goal: what one call reads or writes at a position that many share is one piece, as it is for
// threads, although a part of the file is in memory and the rest is not. Method: fibers take turns
// at a file of records of one letter each, of which the kernel has been made to forget pieces.

#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "hook/support.h"
#include "support/temporary_folder.h"

namespace {

using namespace hook_test;
using weft::Task;

constexpr int kRecords = 16;
constexpr std::size_t kSize = 1 << 20;

class HookedDisk : public OnWorkers {
 protected:
  HookedDisk() : OnWorkers(30s) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, HookedDisk, testing::Values(1U, 2U, 4U));

bool is_one_letter(const std::string& record) {
  return std::all_of(record.begin(), record.end(), [&](char c) { return c == record[0]; });
}

template <class Body>
void in_four_fibers(Body body) {
  std::vector<Task<void>> tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back(weft::spawn(body));
  for (Task<void>& task : tasks) task.get();
}

// The first half of each record is in memory.
void forget_second_halves(int file) {
  std::string half(kSize / 2, '\0');
  EXPECT_EQ(::fsync(file), 0);
  EXPECT_EQ(::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
  EXPECT_EQ(::posix_fadvise(file, 0, 0, POSIX_FADV_RANDOM), 0);
  for (int i = 0; i < kRecords; ++i) {
    EXPECT_EQ(::pread(file, half.data(), half.size(), static_cast<off_t>(i * kSize)),
              static_cast<ssize_t>(half.size()));
  }
}

// Each letter is read once, by whomever, and so all in memory as well.
TEST_P(HookedDisk, ReadsAtASharedPositionAreOfOnePiece) {
  run([&] {
    const support::TemporaryFolder folder;
    std::string all;
    for (int i = 0; i < kRecords; ++i) all.append(kSize, static_cast<char>('A' + i));
    const std::string path = folder.write("file", all + "end");
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    for (int round = 0; round < 4; ++round) {
      if (round < 2) forget_second_halves(file);
      EXPECT_EQ(::lseek(file, 0, SEEK_SET), 0);
      std::atomic<unsigned> seen{0}, ends{0};
      in_four_fibers([&] {
        std::string record(kSize, '\0');
        for (ssize_t got; (got = ::read(file, record.data(), kSize)) != 0;) {
          if (got != static_cast<ssize_t>(kSize)) {
            EXPECT_EQ(record.substr(0, static_cast<std::size_t>(got)), "end");
            ++ends;
            continue;
          }
          EXPECT_TRUE(is_one_letter(record));
          EXPECT_EQ(seen.fetch_or(1U << (record[0] - 'A')) & (1U << (record[0] - 'A')), 0U);
        }
      });
      EXPECT_EQ(seen, (1U << kRecords) - 1);
      EXPECT_EQ(ends, 1U);
      EXPECT_EQ(::lseek(file, 0, SEEK_CUR), static_cast<off_t>(all.size() + 3));
    }
    ::close(file);
  });
}

TEST_P(HookedDisk, LinesThatAreAppendedAreOfOnePiece) {
  run([&] {
    const support::TemporaryFolder folder;
    const std::string path = folder / "log";
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    std::atomic<char> next{'A'};
    in_four_fibers([&] {
      for (int i = 0; i < kRecords / 4; ++i) {
        const std::string record(kSize, next++);
        EXPECT_EQ(::write(file, record.data(), kSize), static_cast<ssize_t>(kSize));
      }
    });
    ::close(file);
    const int written = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::string record(kSize, '\0');
    for (int i = 0; i < kRecords; ++i) {
      EXPECT_EQ(::read(written, record.data(), kSize), static_cast<ssize_t>(kSize));
      EXPECT_TRUE(is_one_letter(record));
    }
    EXPECT_EQ(::read(written, record.data(), kSize), 0);
    ::close(written);
  });
}

}  // namespace
