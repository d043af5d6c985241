#pragma once

#include <weft/stream.h>

#include <concepts>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

namespace weft {

namespace detail {

template <class Source>
concept ReadsLines = requires(Source& source, std::size_t limit) {
  { source.read_line(limit) } -> std::same_as<std::optional<std::string>>;
};

}  // namespace detail

/// The lines of a stream, one after the other, as its read_line() gives them: see lines().
template <detail::ReadsLines Source>
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

  Lines(Source& source, std::size_t limit) noexcept : source_(&source), limit_(limit) {}

  /// Reads the first line. Suspends, as does each step.
  Iterator begin() {
    advance();
    return Iterator(*this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  void advance() { line_ = source_->read_line(limit_); }

  Source* source_;
  std::size_t limit_;
  std::optional<std::string> line_;
};

/// For a loop over the lines that come, up to the end of a Stream, a TlsStream, a File, or anything
/// else that has their read_line():
///
///     for (std::string& line : weft::lines(stream)) ...
///
/// Each line may be moved from. What read_line() throws leaves the loop, and the lines after that
/// can still be read.
template <detail::ReadsLines Source>
Lines<Source> lines(Source& source, std::size_t limit = Stream::kDefaultLimit) noexcept {
  return {source, limit};
}

}  // namespace weft
