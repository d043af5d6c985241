#include <weft/weft.h>

int main() {
  return weft::run([] { return weft::spawn([] { return 42; }).get(); }) == 42 ? 0 : 1;
}
