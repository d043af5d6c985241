#pragma once

#include <exception>
#include <utility>
#include <variant>

namespace weft {

/// How one of several ended: with a value or with an exception. What `gather(return_exceptions,
/// ...)` returns.
template <class T>
class Outcome {
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

 public:
  explicit Outcome(Value value) : held_(std::in_place_index<0>, std::move(value)) {}
  explicit Outcome(std::exception_ptr error) : held_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const noexcept { return held_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// The value; throws the exception if there is none.
  Value& value() & {
    check();
    return std::get<0>(held_);
  }
  const Value& value() const& {
    check();
    return std::get<0>(held_);
  }
  Value&& value() && {
    check();
    return std::get<0>(std::move(held_));
  }
  /// The exception, null if there is a value. It holds a Cancelled if the task was cancelled.
  std::exception_ptr error() const noexcept { return has_value() ? nullptr : std::get<1>(held_); }

 private:
  void check() const {
    if (!has_value()) std::rethrow_exception(std::get<1>(held_));
  }
  std::variant<Value, std::exception_ptr> held_;
};

}  // namespace weft
