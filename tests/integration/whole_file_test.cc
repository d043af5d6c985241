// Goal: whole files are read and written in one call; one that is replaced at once is the old or
// the new one, whatever fails and whoever is cancelled. Method: files in a folder of the test's
// own.

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <chrono>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;
using testing::AllOf;
using testing::HasSubstr;

class WholeFiles : public testing::Test {
 protected:
  std::string path(const std::string& name = "file") const { return folder_ / name; }
  std::string write(const std::string& text) const { return folder_.write("file", text); }
  std::vector<std::string> names() const { return folder_.names(); }

 private:
  const TemporaryFolder folder_;
};

TEST_F(WholeFiles, AreReadWhole) {
  run([&] {
    EXPECT_EQ(read_file(write("all of it"), 9), "all of it");
    EXPECT_EQ(read_file(write(""), 0), "");
    EXPECT_THROW(read_file(write("all of it"), 8), LimitExceeded);
    EXPECT_THAT(message_of([&] { read_file(path(), 8); }),
                HasSubstr("read_file '" + path() + "': more than 8 bytes"));
    // Those that say they have no size.
    EXPECT_THAT(read_file("/proc/self/status", 100'000), HasSubstr("VmRSS"));
    EXPECT_GT(read_file("/proc/self/smaps", std::size_t{1} << 30).size(), 4096U);
    EXPECT_THROW(read_file("/dev/zero", 100'000), LimitExceeded);
  });
}

TEST_F(WholeFiles, AreWrittenWhole) {
  run([&] {
    write_file(path(), "a long text");
    write_file(path(), "a text");
    EXPECT_EQ(read_file(path(), 100), "a text");
    EXPECT_EQ(error_of([&] { write_file("/dev/full", "x"); }), std::errc::no_space_on_device);
  });
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

TEST_F(WholeFiles, AreReplacedAtOnce) {
  run([&] {
    write_file(path(), "old", {.mode = 0640});
    ASSERT_EQ(::chmod(path().c_str(), 0604), 0);
    const File old = File::open(path());
    write_file(path(), "the new text", {.atomically = true});
    EXPECT_EQ(read_file(path(), 100), "the new text");
    std::string before(100, ' ');
    before.resize(old.read_at(bytes_of(before), 0));
    EXPECT_EQ(before, "old");
    EXPECT_EQ(mode_of(path()), 0604U);
    write_file(path("fresh"), "text", {.atomically = true, .mode = 0600});
    EXPECT_EQ(mode_of(path("fresh")), 0600U);
    EXPECT_THAT(names(), testing::UnorderedElementsAre("file", "fresh"));
    const std::string longest(255, 'n');
    write_file(path(longest), "text", {.atomically = true});
    EXPECT_EQ(read_file(path(longest), 100), "text");
  });
}

TEST_F(WholeFiles, AFailedReplacementLeavesNothing) {
  run([&] {
    write(std::string("old"));
    const std::string nowhere = path("no/where");
    EXPECT_EQ(error_of([&] { write_file(nowhere, "x", {.atomically = true}); }),
              std::errc::no_such_file_or_directory);
    // Onto a folder: the last step fails.
    ASSERT_EQ(::mkdir(path("folder").c_str(), 0700), 0);
    EXPECT_EQ(error_of([&] { write_file(path("folder"), "x", {.atomically = true}); }),
              std::errc::is_a_directory);
    EXPECT_THAT(message_of([&] { write_file(path("folder"), "x", {.atomically = true}); }),
                HasSubstr("replace '" + path("folder") + "'"));
    // Cancelled at any step.
    const std::string text(std::size_t{4} << 20, 'x');
    for (int step = 0; step < scaled(40); ++step) {
      bool replaced = false;
      Task<void> writer = spawn([&] {
        write_file(path(), text, {.atomically = true});
        replaced = true;
      });
      for (int turn = 0; turn < step; ++turn) sleep_for(std::chrono::microseconds(100));
      writer.cancel();
      writer.join();
      const std::string now = read_file(path(), text.size());
      EXPECT_TRUE(now == (replaced ? text : "old")) << "step " << step;
      EXPECT_THAT(names(), testing::UnorderedElementsAre("file", "folder"));
      write(std::string("old"));
    }
  });
}

// The kernel would take what is before the zero byte, which is another file.
TEST_F(WholeFiles, APathWithAZeroByteIsNone) {
  run([&] {
    const std::string other = path(std::string(120, 'v'));
    write_file(other, "old");
    const std::string wrong = other + std::string("\0x", 2);
    for (const bool atomically : {false, true}) {
      EXPECT_EQ(error_of([&] { write_file(wrong, "new", {.atomically = atomically}); }),
                std::errc::invalid_argument);
    }
    EXPECT_THAT(message_of([&] { write_file(wrong, "new", {.atomically = true}); }),
                AllOf(HasSubstr("replace '" + other + "\\0...'"), HasSubstr("Invalid argument")));
    EXPECT_EQ(error_of([&] { read_file(wrong, 10); }), std::errc::invalid_argument);
    EXPECT_EQ(read_file(other, 10), "old");
    EXPECT_THAT(names(), testing::ElementsAre(std::string(120, 'v')));
  });
}

ino_t inode_of(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
  return status.st_ino;
}

// Cancelled as soon as the new file can be seen, while its folder is brought to the disk.
TEST_F(WholeFiles, WhatHasBeenReplacedIsNotCancelledAnyMore) {
  run([&] {
    for (int round = 0; round < scaled(30); ++round) {
      write_file(path(), "old");
      const ino_t before = inode_of(path());
      bool replaced = false, cancelled = false;
      Task<void> writer = spawn([&] {
        write_file(path(), "new", {.atomically = true});
        replaced = true;
        try {
          sleep_for(std::chrono::seconds(10));
        } catch (const Cancelled&) {
          cancelled = true;
        }
      });
      while (inode_of(path()) == before) yield();
      writer.cancel();
      writer.join();
      EXPECT_TRUE(replaced);
      EXPECT_TRUE(cancelled) << "it must not be lost";
      EXPECT_EQ(read_file(path(), 100), "new");
    }
  });
}

}  // namespace
}  // namespace weft
