#pragma once

// What a wrong call is told. Every function that takes a callable has an overload for those that it
// cannot take, which fails with one line that names the rule, where the compiler alone would list
// what it tried. Not for users; it may change with any release.

#include <type_traits>

namespace weft::detail {

/// False, but not before a template is used.
template <class...>
inline constexpr bool kRight = false;

}  // namespace weft::detail

#define WEFT_TAKES_NO_ARGUMENTS                                                             \
  "is called without arguments, and this cannot be: bind what it needs in a lambda, as in " \
  "[=] { f(x); }"
