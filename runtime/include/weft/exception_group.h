#pragma once

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft {

/// Several exceptions at once, in a tree of groups: what `task_group` throws when children have
/// failed (Python's ExceptionGroup). Copies share what they hold.
class ExceptionGroup : public std::exception {
 public:
  /// Throws std::invalid_argument if there are no errors, or one of them is null.
  ExceptionGroup(std::string message, std::vector<std::exception_ptr> errors);

  /// The message, and below it the tree, a line for each exception.
  const char* what() const noexcept override;
  const std::string& message() const noexcept;
  /// In the order in which they came; groups among them.
  const std::vector<std::exception_ptr>& errors() const noexcept;

  struct Parts;
  using Condition = std::function<bool(const std::exception_ptr&)>;

  /// Asks `condition` of each group, from this one on, and of each exception in those groups for
  /// which it does not hold. What matches and what does not keep the tree's shape; groups that
  /// would be empty are left out.
  Parts split_if(const Condition& condition) const;
  /// The same by type: what `catch (const E&)` would catch.
  template <class E>
  Parts split() const;

  /// Whether there is such an exception anywhere in the tree.
  template <class E>
  bool contains() const;

  /// Every exception that is no group, depth first.
  std::vector<std::exception_ptr> leaves() const;

 private:
  struct Inside;
  std::shared_ptr<const Inside> inside_;
};

struct ExceptionGroup::Parts {
  std::optional<ExceptionGroup> matching;
  std::optional<ExceptionGroup> rest;
};

namespace detail {
template <class E>
bool is_a(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const E&) {
    return true;
  } catch (...) {
    return false;
  }
}
}  // namespace detail

template <class E>
ExceptionGroup::Parts ExceptionGroup::split() const {
  return split_if(&detail::is_a<E>);
}

template <class E>
bool ExceptionGroup::contains() const {
  return split<E>().matching.has_value();
}

}  // namespace weft
