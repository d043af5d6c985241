// A pipeline: stages that run side by side, with a channel between each two. A stage ends when the
// channel that it reads from is closed and empty, and then closes the one that it writes to; so the
// end passes through by itself, and nothing is lost.

#include <weft/channel.h>
#include <weft/runtime.h>
#include <weft/task_group.h>

#include <cctype>
#include <cstdio>
#include <string>

using Words = weft::Channel<std::string>;

void split(const std::string& text, Words& out) {
  std::string word;
  for (const char c : text + ' ') {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      out.send(std::move(word));
      word.clear();
    }
  }
  out.close();
}

// A stage may drop items, and have a state.
void drop_repeated(Words& in, Words& out) {
  std::string last;
  for (std::string& word : in) {
    if (word == last) continue;
    last = word;
    out.send(std::move(word));
  }
  out.close();
}

void capitalise(Words& in, Words& out) {
  for (std::string& word : in) {
    word[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(word[0])));
    out.send(std::move(word));
  }
  out.close();
}

int main() {
  weft::run([] {
    // Small ones: a stage that is fast waits for the next, and few words are on their way.
    Words words(2), distinct(2), done(2);
    weft::task_group([&](weft::TaskGroup& group) {
      group.spawn([&] { split("a fiber is is a thread thread that costs costs nothing", words); });
      group.spawn([&] { drop_repeated(words, distinct); });
      group.spawn([&] { capitalise(distinct, done); });
      for (const std::string& word : done) std::printf("%s\n", word.c_str());
    });
  });
}
