#pragma once

// The descriptors of one sequence. They have numbers of their own, so that one that was closed
// stays closed for the rest of the sequence, and is another kind of file in the next.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hook/parity/host.h"
#include "support/seed.h"

namespace hook_parity {

enum class Kind {
  kStream,
  kDatagram,
  kSeqpacket,
  kTcp,
  kUdp,
  kPipe,
  kEventfd,
  kFile,
  kNull,
  kTerminal,
  kGone
};
constexpr int kPairKinds = 10;  // all but the last

struct End {
  int fd;
  Kind kind;
  int peer;  // the index of whoever is at the other side: what is written there is read here
  bool reads;
  bool writes;
};

bool is_socket(Kind kind);
/// Of which a call moves as many bytes as there are, not one message.
bool is_stream(Kind kind);
std::string name_of(Kind kind);

/// poll(2), past the hooks.
short poll_now(int fd, short events, int millis = 0);
bool is_blocking(int fd);
int pending(int fd);  // bytes that can be read
void pause(long micros);

class World {
 public:
  World(std::uint64_t seed, std::uint64_t sequence) : random(seed, sequence) {}
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void add_pair(Kind kind);
  /// Any, and now and then one that is closed or never was.
  End& any_end();
  End* any_socket();
  End* peer_of(const End& end) {
    return end.peer < 0 ? nullptr : &ends[static_cast<std::size_t>(end.peer)];
  }
  std::string name_of(const End& end) const;
  /// `fd` under a number of its own; closes it.
  int keep(int fd);
  int next_number() { return next_number_++; }
  std::vector<unsigned char> bytes(std::size_t count);

  /// Waits until what was done at `end` has arrived at the other side, where that takes its time.
  void settle(const End& end, int bytes_before, long sent);

  support::Random random;
  std::vector<End> ends;

 private:
  void add(int reader, int writer, Kind kind);
  unsigned char next_byte_ = 0;
  int next_number_ = 100;
};

/// Sees to it that a call that would block comes back, and that it is known with what.
class Help {
 public:
  Help() = default;
  Help(Help&& other) noexcept { *this = std::move(other); }
  Help& operator=(Help&& other) noexcept {
    std::swap(text, other.text);
    std::swap(possible, other.possible);
    std::swap(over, other.over);
    std::swap(partner_, other.partner_);
    std::swap(seen_, other.seen_);
    std::swap(limited_fd_, other.limited_fd_);
    std::swap(option_, other.option_);
    return *this;
  }
  ~Help() { finish(); }
  /// Waits for whoever helped, and takes a time limit off. What the helper saw.
  std::string finish();

  std::string text;  // what it does; empty if nothing need be done
  bool possible = true;
  std::shared_ptr<std::atomic<bool>> over = std::make_shared<std::atomic<bool>>(false);  // the call

  void let(World& world, std::function<std::string()> act);
  void limit(int fd, int option);

 private:
  std::unique_ptr<Partner> partner_;
  std::shared_ptr<std::string> seen_;
  int limited_fd_ = -1;
  int option_ = 0;
};

/// For a call that reads `wanted` bytes of `end` in all, or one message, or what there is.
Help help_reading(World& world, const End& end, int wanted);
/// For a call that writes `size` bytes.
Help help_writing(World& world, const End& end, std::size_t size);

}  // namespace hook_parity
