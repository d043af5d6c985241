#pragma once

// A peer that never reads costs the one who writes to it a fiber that waits, and hardly any memory.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <weft/weft.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "support/build_kind.h"
#include "support/process_state.h"
#include "support/tcp.h"

namespace support {

/// Has the kernel take as little as it can, so that a writer soon has to wait.
inline void keep_little(int fd) {
  const int bytes = 1;
  EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
}

/// Many connections whose peers do not read, and one whose peer does.
template <class Stream>
class Unread {
 public:
  struct Ends {
    Stream writer, peer;
  };

  /// `most` is how many bytes each may cost.
  Unread(std::size_t most, const std::function<Ends()>& make) : most_(most), other_(make()) {
    for (int i = 0; i < kConnections; ++i) unread_.push_back(make());
    much();  // before memory is measured
    serve_other();
    resident_ = resident_bytes();
  }

  /// They wait until they are cancelled, and meanwhile the other is served.
  void write_until_cancelled() {
    std::vector<weft::Task<void>> tasks;
    for (Ends& ends : unread_) {
      tasks.push_back(weft::spawn([&writer = ends.writer] { writer.write_all(much()); }));
    }
    serve_other();
    weft::sleep_for(std::chrono::milliseconds(20));
    serve_other();
    expect_little_memory();
    for (weft::Task<void>& task : tasks) {
      EXPECT_FALSE(task.done());
      task.cancel();
      EXPECT_THROW(task.get(), weft::Cancelled);
    }
  }

  /// What was given up leaves nothing behind, however often.
  void write_until_time_is_up() {
    std::vector<std::function<void()>> calls;
    for (Ends& ends : unread_) {
      calls.push_back([&writer = ends.writer] {
        for (int i = 0; i < 5; ++i) {
          EXPECT_THROW(
              weft::timeout(std::chrono::milliseconds(5), [&] { writer.write_all(much()); }),
              weft::TimeoutError);
        }
      });
    }
    calls.push_back([this] { serve_other(); });
    weft::gather(calls);
    expect_little_memory();
  }

  /// Nothing is amiss: who reads after all gets a beginning of it each time, and what follows.
  void read_after_all() {
    Ends& ends = unread_.front();
    weft::Task<std::string> reader =
        weft::spawn([&] { return ends.peer.read_to_end(much().size()); });
    ends.writer.write_all("the end");
    ends.writer.shutdown();
    const std::string text = reader.get();
    const std::size_t written = text.find_first_not_of('m');
    EXPECT_GT(written, 0U);
    ASSERT_LT(written, text.size());
    EXPECT_EQ(text.substr(written), "the end");
  }

 private:
  static constexpr int kConnections = 50;

  static const std::string& much() {
    static const std::string text(std::size_t{8} << 20, 'm');
    return text;
  }

  void serve_other() {
    std::string word;
    for (int i = 0; i < 50; ++i) {
      word.assign(5, '?');
      other_.writer.write_all("hello");
      other_.peer.read_exactly(bytes_of(word));
      other_.peer.write_all(word);
      other_.writer.read_exactly(bytes_of(word));
    }
    EXPECT_EQ(word, "hello");
  }

  void expect_little_memory() {
    if (kSanitized) return;  // which keep books of their own
    const std::size_t now = resident_bytes();
    EXPECT_LT((now > resident_ ? now - resident_ : 0) / kConnections, most_);
  }

  const std::size_t most_;
  std::vector<Ends> unread_;
  Ends other_;
  std::size_t resident_ = 0;
};

template <class Stream>
void expect_unread_to_cost(std::size_t most,
                           const std::function<typename Unread<Stream>::Ends()>& make) {
  Unread<Stream> unread(most, make);
  unread.write_until_cancelled();
  unread.write_until_time_is_up();
  unread.read_after_all();
}

}  // namespace support
