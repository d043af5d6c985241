#pragma once

// What was received but not asked for yet: read_until() cannot know how much to receive.

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace weft::detail {

class ReadBuffer {
 public:
  /// More memory than this is not kept for later.
  static constexpr std::size_t kMostKept = std::size_t{64} * 1024;

  bool empty() const noexcept { return begin_ == end_; }
  std::size_t size() const noexcept { return end_ - begin_; }
  std::string_view text() const noexcept { return {storage_.data() + begin_, size()}; }

  /// Moves as much as fits.
  std::size_t take(std::span<std::byte> into) noexcept {
    const std::size_t count = std::min(into.size(), size());
    std::copy_n(std::as_bytes(std::span(text())).begin(), count, into.begin());
    consume(count);
    return count;
  }
  /// They are somewhere else by now.
  void drop(std::size_t count) noexcept { consume(count); }
  std::string take_text(std::size_t count) {
    std::string taken(text().substr(0, count));
    consume(count);
    return taken;
  }
  std::string take_all() {
    storage_.resize(end_);
    storage_.erase(0, begin_);
    begin_ = end_ = 0;
    return std::exchange(storage_, {});
  }

  /// Room behind what there is, of at least one byte and at most `most`. Valid until the next call.
  std::span<std::byte> room(std::size_t most) { return room(most, usual_room()); }
  /// The same, of `least` bytes or more if `most` is no less.
  std::span<std::byte> room(std::size_t most, std::size_t least) {
    if (storage_.size() - end_ < std::min(most, least)) make_room(std::min(most, least));
    return std::as_writable_bytes(
        std::span(storage_.data() + end_, std::min(most, storage_.size() - end_)));
  }
  void commit(std::size_t count) noexcept { end_ += count; }

  /// Gives its memory back. Only when it is empty.
  void release() noexcept { storage_ = {}; }

  /// Takes back what had been taken. Only when it is empty.
  void put_back(std::span<const std::byte> data) {
    storage_.assign(reinterpret_cast<const char*>(data.data()), data.size());
    begin_ = 0;
    end_ = data.size();
  }

 private:
  // Most connections wait most of the time, and say little: a larger room is for what has filled a
  // small one.
  static constexpr std::size_t kFirstRoom = 512;
  static constexpr std::size_t kLeastRoom = 4096;

  void consume(std::size_t count) noexcept {
    begin_ += count;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (storage_.capacity() > kMostKept) storage_ = {};
  }
  std::size_t usual_room() const noexcept {
    if (storage_.empty()) return kFirstRoom;
    const bool still_fits = storage_.size() <= kFirstRoom && kFirstRoom - size() >= kFirstRoom / 4;
    return still_fits ? kFirstRoom / 4 : kLeastRoom;
  }
  void make_room(std::size_t least) {
    storage_.erase(0, begin_);
    end_ -= begin_;
    begin_ = 0;
    if (storage_.size() - end_ < least)
      storage_.resize(std::max(2 * storage_.size(), end_ + least));
  }

  std::string storage_;  // its size is the room there is
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace weft::detail
