// A pipeline of three stages with channels between them. Whoever is faster than the next stage
// waits for it, so that little is under way however much there is to do.

#include <weft/channel.h>
#include <weft/gather.h>
#include <weft/runtime.h>
#include <weft/sleep.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <tuple>

using namespace std::chrono_literals;

constexpr int kPages = 200;

struct Page {
  int number;
  std::string text;
};

std::atomic<int> under_way{0};

// Makes pages as fast as they are taken: send() waits while the channel is full. Who closes a
// channel is who sends, since nothing can be sent afterwards.
void fetch(weft::Channel<Page>& pages, int& most_under_way) {
  for (int number = 1; number <= kPages; ++number) {
    most_under_way = std::max(most_under_way, ++under_way);
    pages.send({number, "page " + std::to_string(number)});
  }
  pages.close();
}

// The loop ends when the channel is closed and empty. Several may receive from one channel; each
// item goes to one of them.
void count_letters(weft::Channel<Page>& pages, weft::Channel<std::size_t>& lengths) {
  for (Page& page : pages) {
    weft::sleep_for(1ms);  // the slow stage
    lengths.send(page.text.size());
  }
}

std::size_t add_up(weft::Channel<std::size_t>& lengths) {
  std::size_t letters = 0;
  for (const std::size_t length : lengths) {
    letters += length;
    --under_way;
  }
  return letters;
}

int main() {
  weft::run([] {
    weft::Channel<Page> pages(4);
    weft::Channel<std::size_t> lengths;  // holds nothing: sender and receiver meet
    int most_under_way = 0;
    const auto count_with_three = [&] {
      const auto count = [&] { count_letters(pages, lengths); };
      weft::gather(count, count, count);
      lengths.close();
    };
    const auto results = weft::gather([&] { fetch(pages, most_under_way); }, count_with_three,
                                      [&] { return add_up(lengths); });
    std::printf("%d pages, %zu letters\n", kPages, std::get<2>(results));
    // One about to be sent, four in the channel, one with each who counts, one with who adds up.
    std::printf("more than 9 pages under way: %s\n", most_under_way > 9 ? "yes" : "never");
  });
}
