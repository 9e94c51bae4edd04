// WebSocket frames of hostile clients: read in pieces they are what they are read as in one, and
// nothing is given that did not come.
#include "core/base/str.h"
#include "core/net/websocket.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

extern const std::vector<std::string> fuzz_seeds = {std::string("\x82\x83"
                                                                "abcd"
                                                                "\x00\x0b\x0b",
                                                                9),
                                                    std::string("\x01\x81"
                                                                "abcd"
                                                                "h"
                                                                "\x89\x80"
                                                                "abcd"
                                                                "\x80\x81"
                                                                "abcd"
                                                                "i",
                                                                20),
                                                    std::string("\x82\xfe\x00\x80", 4) +
                                                        std::string(132, 'x'),
                                                    std::string("\x88\x82"
                                                                "abcd"
                                                                "\x62\x8a",
                                                                8),
                                                    std::string("\x82\xff\0\0\0\0\0\x01\0\0"
                                                                "abcd",
                                                                14)};

static void expect(bool is_so)
{
    if (!is_so) {
        abort();
    }
}

struct Result {
    int code = OPR_WS_MORE;
    size_t at = 0;
    std::string data; /* of all pieces, each begun with its opcode */
    size_t messages = 0;
};

static Result read(const std::string &text, size_t portion, size_t room)
{
    Result all;
    std::vector<char> memory(room);
    struct opr_ws_reader r = {};
    r.is_server = true;
    for (size_t end = 0; end < text.size() && all.code == OPR_WS_MORE;) {
        end = text.size() - end < portion ? text.size() : end + portion;
        struct opr_ws_piece p;
        while ((all.code = opr_ws_next(&r, opr_str_n(text.data(), end), &all.at, memory.data(),
                                       room, &p)) == OPR_WS_PIECE) {
            bool is_control = p.opcode >= OPR_WS_CLOSE;
            expect(is_control ? p.data.len <= OPR_WS_CONTROL_MAX : p.data.len <= room);
            if (p.is_first) {
                all.data += (char)p.opcode;
            }
            all.data.append(p.data.ptr, p.data.len);
            all.messages += p.is_last;
        }
        expect(all.code == OPR_WS_MORE || all.code == OPR_WS_CLOSE_PROTOCOL ||
               all.code == OPR_WS_CLOSE_TOO_BIG);
        expect(all.at <= end && (all.code != OPR_WS_MORE || all.at == end));
    }
    return all;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    std::string text((const char *)data, size);
    Result whole = read(text, text.size() + 1, 1 << 16), bytes = read(text, 1, 3);
    expect(whole.code == bytes.code && whole.at == bytes.at && whole.data == bytes.data &&
           whole.messages == bytes.messages);
    expect(whole.data.size() <= text.size());
    return 0;
}
