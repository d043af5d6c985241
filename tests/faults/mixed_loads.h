#pragma once

// What else a program does while its calls fail: bytes through pipes, Unix sockets, datagrams,
// files and other programs. Each says whether what came is what went, and throws what the library
// throws.

#include <fcntl.h>
#include <unistd.h>
#include <weft/weft.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <system_error>

#include "support/seed.h"
#include "support/temporary_folder.h"

namespace faults {

class MixedLoads {
 public:
  /// One of them, whichever the random numbers say. False: bytes came that had not been sent, or
  /// not in this order. `own` tells this caller from others.
  bool one(support::Random& random, std::uint64_t own) const {
    const std::string text = some_text(random, own);
    switch (random.below(6)) {
      case 0:
        return through_pipe(text);
      case 1:
        return through_unix_pair(text);
      case 2:
        return through_datagrams(text.substr(0, 1000));
      case 3:
        return through_file(text, folder_ / std::to_string(own));
      case 4:
        return line_by_line(text, folder_ / ("lines" + std::to_string(own)));
      default:
        return !random.one_in(4) || through_program(text);
    }
  }

 private:
  static std::string some_text(support::Random& random, std::uint64_t own) {
    std::string text(static_cast<std::size_t>(1 + random.below(9000)), ' ');
    for (std::size_t i = 0; i < text.size(); ++i) {
      text[i] = static_cast<char>('a' + (own + i + i / 251) % 26);
    }
    return text;
  }

  static bool through_pipe(const std::string& text) {
    weft::Pipe pipe = weft::Pipe::open();
    std::string got;
    weft::task_group([&](weft::TaskGroup& group) {
      group.spawn([&] {
        pipe.writer.write_all(text);
        pipe.writer.close();
      });
      got = pipe.reader.read_to_end(text.size());
    });
    return got == text;
  }

  static bool through_unix_pair(const std::string& text) {
    auto [left, right] = weft::UnixStream::pair();
    std::string back;
    weft::task_group([&, &one = left, &other = right](weft::TaskGroup& group) {
      group.spawn([&other] {
        std::byte buffer[700];
        while (const std::size_t got = other.read_some(buffer)) {
          other.write_all(std::span(buffer).first(got));
        }
        other.shutdown();
      });
      group.spawn([&] {
        one.write_all(text);
        one.shutdown();
      });
      back = one.read_to_end(text.size());
    });
    return back == text;
  }

  // One that does not come is no harm: it may be lost.
  static bool through_datagrams(const std::string& text) {
    weft::UdpSocket from = weft::UdpSocket::bind("127.0.0.1", 0);
    weft::UdpSocket to = weft::UdpSocket::bind("127.0.0.1", 0);
    from.send_to(to.local_address(), text);
    std::string got(2000, ' ');
    try {
      const weft::Datagram datagram = weft::timeout(std::chrono::milliseconds(50), [&] {
        return to.receive(std::as_writable_bytes(std::span(got)));
      });
      got.resize(datagram.size);
    } catch (const weft::TimeoutError&) {
      return true;
    }
    return got == text;
  }

  static bool through_file(const std::string& text, const std::string& path) {
    weft::write_file(path, text, {.atomically = text.size() % 2 == 0});
    if (text.size() % 8 == 0) drop_from_memory(path);
    return weft::read_file(path, text.size()) == text;
  }

  // So that it has to be waited for.
  static void drop_from_memory(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    ::fdatasync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }

  static bool line_by_line(std::string text, const std::string& path) {
    for (std::size_t at = 80; at < text.size(); at += 81) text[at] = '\n';
    weft::File file = weft::File::open(path, O_RDWR | O_CREAT | O_TRUNC);
    file.write_at(text, 0);
    std::string got;
    for (const std::string& line : weft::lines(file)) got += line + '\n';
    if (!text.ends_with('\n')) got.pop_back();
    return got == text;
  }

  static bool through_program(const std::string& text) {
    const weft::ProcessResult result = weft::run_process({"cat"}, {.input = text});
    return !result.status.success() || result.out == text;
  }

  const support::TemporaryFolder folder_;
};

}  // namespace faults
