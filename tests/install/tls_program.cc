#include <weft/tls.h>
#include <weft/weft.h>

int main() {
  return weft::run([] {
    const weft::TlsContext context = weft::TlsContext::client();
    try {
      // Nobody listens there; what counts is that it links and loads.
      weft::TlsStream::connect("127.0.0.1", 1, context);
    } catch (const std::system_error& error) {
      return error.code() == std::errc::connection_refused ? 0 : 1;
    }
    return 1;
  });
}
