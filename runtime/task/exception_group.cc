#include <weft/exception_group.h>

#include <stdexcept>

#include "task/lost_exception.h"

namespace weft {

struct ExceptionGroup::Inside {
  std::string message;
  std::vector<std::exception_ptr> errors;
  std::string what;
};

namespace {

std::optional<ExceptionGroup> as_group(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ExceptionGroup& group) {
    return group;
  } catch (...) {
    return std::nullopt;
  }
}

std::string heading(const ExceptionGroup& group) {
  const std::size_t count = group.errors().size();
  return "weft::ExceptionGroup: " + group.message() + " (" + std::to_string(count) +
         (count == 1 ? " exception)" : " exceptions)");
}

void describe_below(const ExceptionGroup& group, const std::string& indent, std::string& text) {
  for (const std::exception_ptr& error : group.errors()) {
    const bool last = &error == &group.errors().back();
    text += "\n" + indent + (last ? "`- " : "|- ");
    const std::optional<ExceptionGroup> inner = as_group(error);
    text += inner ? heading(*inner) : detail::describe(error);
    if (inner) describe_below(*inner, indent + (last ? "   " : "|  "), text);
  }
}

}  // namespace

ExceptionGroup::ExceptionGroup(std::string message, std::vector<std::exception_ptr> errors) {
  if (errors.empty()) throw std::invalid_argument("weft::ExceptionGroup: it needs an exception");
  for (const std::exception_ptr& error : errors) {
    if (error == nullptr) throw std::invalid_argument("weft::ExceptionGroup: one is null");
  }
  const auto inside = std::make_shared<Inside>();
  inside->message = std::move(message);
  inside->errors = std::move(errors);
  inside_ = inside;
  inside->what = heading(*this);
  describe_below(*this, "", inside->what);
}

const char* ExceptionGroup::what() const noexcept { return inside_->what.c_str(); }
const std::string& ExceptionGroup::message() const noexcept { return inside_->message; }
const std::vector<std::exception_ptr>& ExceptionGroup::errors() const noexcept {
  return inside_->errors;
}

ExceptionGroup::Parts ExceptionGroup::split_if(const Condition& condition) const {
  if (condition(std::make_exception_ptr(*this))) return {*this, std::nullopt};
  std::vector<std::exception_ptr> matching;
  std::vector<std::exception_ptr> rest;
  for (const std::exception_ptr& error : errors()) {
    if (const std::optional<ExceptionGroup> inner = as_group(error)) {
      const Parts parts = inner->split_if(condition);
      if (parts.matching) matching.push_back(std::make_exception_ptr(*parts.matching));
      if (parts.rest) rest.push_back(std::make_exception_ptr(*parts.rest));
    } else {
      (condition(error) ? matching : rest).push_back(error);
    }
  }
  Parts parts;
  if (!matching.empty()) parts.matching.emplace(message(), std::move(matching));
  if (!rest.empty()) parts.rest.emplace(message(), std::move(rest));
  return parts;
}

std::vector<std::exception_ptr> ExceptionGroup::leaves() const {
  std::vector<std::exception_ptr> found;
  for (const std::exception_ptr& error : errors()) {
    if (const std::optional<ExceptionGroup> inner = as_group(error)) {
      for (std::exception_ptr& leaf : inner->leaves()) found.push_back(std::move(leaf));
    } else {
      found.push_back(error);
    }
  }
  return found;
}

}  // namespace weft
