#pragma once

#include "base/assert.h"

namespace weft::detail {

/// A link of an intrusive doubly linked list; derive from it. `Tag` allows several links in one
/// object.
template <class Tag = void>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;

  bool linked() const noexcept { return next_ != nullptr; }
  void unlink() noexcept {
    prev_->next_ = next_;  // NOLINT(clang-analyzer-core.NullDereference): it is linked
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 private:
  template <class, class>
  friend class List;

  ListNode* next_ = nullptr;
  ListNode* prev_ = nullptr;
};

/// A FIFO list that owns nothing. Not thread-safe.
template <class T, class Tag = void>
class List {
  using Node = ListNode<Tag>;

 public:
  List() noexcept { head_.next_ = head_.prev_ = &head_; }
  ~List() { WEFT_ASSERT(empty(), "whoever owns the list empties it first"); }
  List(const List&) = delete;
  List& operator=(const List&) = delete;

  bool empty() const noexcept { return head_.next_ == &head_; }
  /// Of a list that is not empty.
  bool has_one() const noexcept {
    WEFT_ASSERT(!empty(), "there is one at least");
    return head_.next_ == head_.prev_;
  }
  T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  void push_back(T& item) noexcept {
    Node& node = item;
    node.prev_ = head_.prev_;
    node.next_ = &head_;
    head_.prev_->next_ = &node;
    head_.prev_ = &node;
  }
  template <class Visit>
  void for_each(Visit visit) {
    for (Node* node = head_.next_; node != &head_; node = node->next_) {
      visit(static_cast<T&>(*node));
    }
  }
  /// Unlinks those for which `unwanted(item)` is true. The last it does with them is to ask.
  template <class Unwanted>
  void remove_if(Unwanted unwanted) {
    for (Node* node = head_.next_; node != &head_;) {
      Node* const next = node->next_;
      if (unwanted(static_cast<T&>(*node))) node->unlink();
      node = next;
    }
  }
  T* pop_front() noexcept { return empty() ? nullptr : &take_front(); }
  /// Of a list that is not empty.
  T& take_front() noexcept {
    Node& node = *head_.next_;
    node.unlink();  // NOLINT(clang-analyzer-cplusplus.NewDelete): who frees a node has unlinked it
    return static_cast<T&>(node);
  }

 private:
  Node head_;
};

}  // namespace weft::detail
