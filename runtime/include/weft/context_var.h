#pragma once

#include <weft/detail/context.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace weft {

/// A variable of which each task has a value of its own, as a thread has of a `thread_local`: for
/// what would else be passed through every call, such as the id of a request (Python's ContextVar).
/// A task inherits its parent's values when it is spawned; what either changes afterwards, the
/// other does not see. So it is with threads of the blocking pool (to_thread), and with done
/// callbacks. A plain thread has values of its own, which Runtime::run and post hand on.
///
/// To be made once, for the whole program. Any thread may use it. Nothing here suspends. A read
/// searches the values that the task has, by binary search; a change copies them.
template <class T>
class ContextVar {
 public:
  /// `name`: for messages.
  explicit ContextVar(std::string name) : name_(std::move(name)) {}
  ContextVar(std::string name, T default_value)
      : name_(std::move(name)), default_(std::move(default_value)) {}
  ContextVar(const ContextVar&) = delete;
  ContextVar& operator=(const ContextVar&) = delete;

  const std::string& name() const noexcept { return name_; }

  /// The value in the task that calls, or the default. Throws std::out_of_range if there is
  /// neither. The reference is good until this task changes the variable, or ends.
  const T& get() const {
    const void* const value = detail::context_value(key_);
    if (value != nullptr) return *static_cast<const T*>(value);
    if (!default_.has_value()) detail::no_context_value(name_.c_str());
    return *default_;
  }
  /// The value in the task that calls, or `otherwise`, whatever the default.
  T get(T otherwise) const {
    const void* const value = detail::context_value(key_);
    return value != nullptr ? *static_cast<const T*>(value) : std::move(otherwise);
  }

  /// What undoes a set().
  class Token {
   public:
    Token(Token&& other) noexcept
        : variable_(std::exchange(other.variable_, nullptr)),
          owner_(other.owner_),
          before_(std::move(other.before_)) {}
    Token& operator=(Token&&) = delete;

   private:
    friend class ContextVar;
    Token(const ContextVar& variable, detail::ContextValue before) noexcept
        : variable_(&variable), owner_(detail::context_owner()), before_(std::move(before)) {}
    const ContextVar* variable_;
    std::uint64_t owner_;
    detail::ContextValue before_;
  };

  /// In the task that calls, and in those that it spawns from now on. Throws std::bad_alloc.
  Token set(T value) {
    auto made = std::make_shared<const T>(std::move(value));
    return Token(*this, detail::set_context_value(key_, std::move(made)));
  }

  /// Back to what it was before that set(); in the same task, once (std::invalid_argument,
  /// std::logic_error).
  void reset(Token&& token) {
    if (token.variable_ == nullptr) detail::token_was_used(name_.c_str());
    if (token.variable_ != this) detail::token_of_another(name_.c_str(), "variable");
    if (token.owner_ != detail::context_owner()) detail::token_of_another(name_.c_str(), "task");
    detail::set_context_value(key_, token.before_);
    token.variable_ = nullptr;
  }

 private:
  const std::uint64_t key_ = detail::new_context_key();
  const std::string name_;
  const std::optional<T> default_;
};

}  // namespace weft
