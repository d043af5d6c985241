#pragma once

// Reading more than one arrival at a time, the same for every kind of stream. A source has
//
//   ReadBuffer& received()         what came and was not asked for yet
//   std::size_t receive(span)      waits for some bytes; 0 at the end; what throws took nothing
//   std::string name()             of whom it reads from, for messages
//   void close()                   never throws
//
// Templates, so that a socket's receive() is a direct call.

#include <weft/error.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/read_buffer.h"

namespace weft::detail {

inline std::vector<std::byte> copy_bytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// What is in the buffer goes with the exception, once there is one to take it.
template <class Source>
[[noreturn]] void throw_incomplete(const char* operation, const Source& source,
                                   std::vector<std::byte> received) {
  const std::string what = std::string(operation) + " from " + source.name() +
                           ": the stream ended after " + std::to_string(received.size()) + " bytes";
  IncompleteRead incomplete(what, std::move(received));
  source.received().take_all();
  throw std::move(incomplete);
}

template <class Source>
[[noreturn]] void throw_limit(const char* operation, const Source& source, const char* found,
                              std::size_t limit) {
  throw LimitExceeded(std::string(operation) + " from " + source.name() + ": " + found +
                      std::to_string(limit) + " bytes");
}

// Where there is no memory to keep it in, the stream ends: its next reader must not go on behind a
// gap.
template <class Source>
void put_back(const Source& source, std::span<const std::byte> data) noexcept {
  try {
    source.received().put_back(data);
  } catch (const std::bad_alloc&) {
    source.close();
  }
}

template <class Source>
void read_exactly(const Source& source, std::span<std::byte> into) {
  std::size_t got = source.received().take(into);
  try {
    while (got < into.size()) {
      const std::size_t count = source.receive(into.subspan(got));
      if (count == 0) break;
      got += count;
    }
  } catch (...) {
    // Cancelled, or failed: whoever tries again, or asks for less, misses nothing.
    put_back(source, into.first(got));
    throw;
  }
  if (got < into.size()) {
    throw_incomplete("read_exactly", source,
                     {into.begin(), into.begin() + static_cast<std::ptrdiff_t>(got)});
  }
}

// Receives until the buffer holds the delimiter, and returns how far it reaches, the delimiter
// included; nothing when the stream ends before.
template <class Source>
std::optional<std::size_t> receive_until(const Source& source, std::string_view delimiter,
                                         std::size_t limit, const char* operation) {
  ReadBuffer& received = source.received();
  std::size_t searched = 0;
  for (;;) {
    const std::string_view text = received.text();
    const std::size_t found = text.substr(0, limit).find(delimiter, searched);
    if (found != std::string_view::npos) return found + delimiter.size();
    if (text.size() >= limit) throw_limit(operation, source, "no delimiter within ", limit);
    // The delimiter may have begun already.
    searched = text.size() - std::min(text.size(), delimiter.size() - 1);
    const std::size_t count = source.receive(received.room(limit - text.size()));
    if (count == 0) return std::nullopt;
    received.commit(count);
  }
}

template <class Source>
std::string read_until(const Source& source, std::string_view delimiter, std::size_t limit) {
  if (delimiter.empty()) throw std::invalid_argument("read_until: the delimiter is empty");
  const auto end = receive_until(source, delimiter, limit, "read_until");
  if (end.has_value()) return source.received().take_text(*end);
  throw_incomplete("read_until", source, copy_bytes(source.received().text()));
}

template <class Source>
std::optional<std::string> read_line(const Source& source, std::size_t limit) {
  ReadBuffer& received = source.received();
  const auto end = receive_until(source, "\n", limit, "read_line");
  if (!end.has_value() && received.empty()) return std::nullopt;
  std::string line = end.has_value() ? received.take_text(*end) : received.take_all();
  if (line.ends_with('\n')) line.pop_back();
  if (end.has_value() && line.ends_with('\r')) line.pop_back();
  return line;
}

template <class Source>
std::string read_to_end(const Source& source, std::size_t limit) {
  ReadBuffer& received = source.received();
  for (;;) {
    const std::size_t size = received.size();
    if (size > limit) throw_limit("read_to_end", source, "more than ", limit);
    // One more than allowed, to see that there is more.
    const std::size_t most = limit - size + (limit - size < SIZE_MAX ? 1 : 0);
    const std::size_t count = source.receive(received.room(most));
    if (count == 0) return received.take_all();
    received.commit(count);
  }
}

}  // namespace weft::detail
