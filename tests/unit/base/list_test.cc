// Goal: the intrusive list keeps order, and an item can leave from anywhere in it, also when it is
// in a second list by another tag. Method: small lists by hand.

#include "base/list.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace weft::detail {
namespace {

struct Other;
struct Item : ListNode<>, ListNode<Other> {
  explicit Item(int number) : value(number) {}
  int value;
};
using Plain = ListNode<>;

std::vector<int> drain(List<Item>& list) {
  std::vector<int> values;
  while (Item* item = list.pop_front()) values.push_back(item->value);
  return values;
}

TEST(List, IsEmptyAtFirst) {
  List<Item> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(List, GivesItemsBackInTheOrderTheyCame) {
  List<Item> list;
  std::array items{Item(1), Item(2), Item(3)};
  for (Item& item : items) list.push_back(item);
  EXPECT_FALSE(list.empty());
  EXPECT_EQ(list.front(), &items[0]);
  EXPECT_EQ(drain(list), (std::vector{1, 2, 3}));
  EXPECT_TRUE(list.empty());
}

TEST(List, FrontStays) {
  List<Item> list;
  Item item(7);
  list.push_back(item);
  EXPECT_EQ(list.front(), &item);
  EXPECT_EQ(list.front(), &item);
  EXPECT_EQ(list.pop_front(), &item);
}

TEST(List, ItemsLeaveFromAnyPlace) {
  for (const int leaves : {0, 1, 2}) {
    List<Item> list;
    std::array items{Item(0), Item(1), Item(2)};
    for (Item& item : items) list.push_back(item);
    items[leaves].Plain::unlink();
    std::vector<int> expected{0, 1, 2};
    expected.erase(expected.begin() + leaves);
    EXPECT_EQ(drain(list), expected) << "without " << leaves;
  }
}

TEST(List, ItemKnowsWhetherItIsLinked) {
  List<Item> list;
  Item item(1);
  EXPECT_FALSE(item.Plain::linked());
  list.push_back(item);
  EXPECT_TRUE(item.Plain::linked());
  item.Plain::unlink();
  EXPECT_FALSE(item.Plain::linked());
  EXPECT_TRUE(list.empty());
  list.push_back(item);
  list.pop_front();
  EXPECT_FALSE(item.Plain::linked()) << "popped items are free for the next list";
}

TEST(List, ItemMayComeBackBehindTheOthers) {
  List<Item> list;
  Item first(1);
  Item second(2);
  list.push_back(first);
  list.push_back(second);
  first.Plain::unlink();
  list.push_back(first);
  EXPECT_EQ(drain(list), (std::vector{2, 1}));
}

TEST(List, TagsKeepTwoListsOfOneItemApart) {
  List<Item> list;
  List<Item, Other> other;
  Item first(1);
  Item second(2);
  list.push_back(first);
  list.push_back(second);
  other.push_back(second);
  other.push_back(first);
  first.Plain::unlink();
  EXPECT_TRUE(first.ListNode<Other>::linked());
  EXPECT_EQ(drain(list), std::vector{2});
  EXPECT_EQ(other.pop_front(), &second);
  EXPECT_EQ(other.pop_front(), &first);
  EXPECT_TRUE(other.empty());
}

TEST(ListDeathTest, DyingWithItemsInItAborts) {
  EXPECT_DEATH(
      {
        Item item(1);
        List<Item> list;
        list.push_back(item);
      },
      "broken invariant");
}

}  // namespace
}  // namespace weft::detail
