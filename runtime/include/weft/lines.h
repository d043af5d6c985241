#pragma once

#include <weft/stream.h>

#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

namespace weft {

/// The lines of a stream, one after the other, as Stream::read_line() gives them: see lines().
class Lines {
 public:
  class Iterator {
   public:
    using value_type = std::string;
    using difference_type = std::ptrdiff_t;
    using reference = std::string&;
    using pointer = std::string*;
    using iterator_category = std::input_iterator_tag;

    std::string& operator*() const noexcept { return *lines_->line_; }
    std::string* operator->() const noexcept { return &*lines_->line_; }
    Iterator& operator++() {
      lines_->advance();
      return *this;
    }
    void operator++(int) { lines_->advance(); }
    friend bool operator==(const Iterator& at, std::default_sentinel_t) noexcept {
      return at.ended();
    }

   private:
    friend class Lines;
    explicit Iterator(Lines& lines) noexcept : lines_(&lines) {}
    bool ended() const noexcept { return !lines_->line_.has_value(); }
    Lines* lines_;
  };

  Lines(Stream& stream, std::size_t limit) noexcept : stream_(&stream), limit_(limit) {}

  /// Reads the first line. Suspends, as does each step.
  Iterator begin() {
    advance();
    return Iterator(*this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  void advance() { line_ = stream_->read_line(limit_); }

  Stream* stream_;
  std::size_t limit_;
  std::optional<std::string> line_;
};

/// For a loop over the lines that come, up to the end of the stream:
///
///     for (std::string& line : weft::lines(stream)) ...
///
/// Each line may be moved from. What read_line() throws leaves the loop, and the lines after that
/// can still be read.
inline Lines lines(Stream& stream, std::size_t limit = Stream::kDefaultLimit) noexcept {
  return {stream, limit};
}

}  // namespace weft
