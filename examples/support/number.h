#pragma once

#include <charconv>
#include <optional>
#include <string_view>

// The number that `text` is, if it is one from `least` to `most` and nothing else.
template <class Number>
std::optional<Number> parse_number(std::string_view text, Number least, Number most) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(number >= least && number <= most)) return std::nullopt;  // "nan" is neither
  return number;
}
