// A driver for LLVMFuzzerTestOneInput where libFuzzer is not linked in: runs it over the files that
// are named, or over its seeds and a fixed sequence of mutations of them, so that every run is the
// same.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const std::vector<std::string> fuzz_seeds;

namespace
{

uint64_t state = 1;

uint64_t next()
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

std::string mutate(std::string text)
{
    for (uint64_t n = 1 + next() % 4; n > 0; n--) {
        size_t at = text.empty() ? 0 : next() % text.size();
        const std::string &other = fuzz_seeds[next() % fuzz_seeds.size()];
        switch (next() % 5) {
        case 0:
            text.insert(at, 1, static_cast<char>(next()));
            break;
        case 1:
            text.erase(at, 1 + next() % 8);
            break;
        case 2:
            if (!text.empty()) {
                text[at] = static_cast<char>(text[at] ^ (1 << next() % 8));
            }
            break;
        case 3:
            text.insert(at, other.substr(other.empty() ? 0 : next() % other.size(), next() % 32));
            break;
        default:
            text.insert(at, text.substr(at, next() % 16));
            break;
        }
    }
    return text;
}

void run(const std::string &text)
{
    // A copy of exactly this size, so that a sanitizer sees a read past its end.
    std::vector<uint8_t> bytes(text.begin(), text.end());
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

} // namespace

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        std::ifstream file(argv[i], std::ios::binary);
        run(std::string(std::istreambuf_iterator<char>(file), {}));
    }
    if (argc > 1) {
        return 0;
    }
    const char *given = getenv("FUZZ_ROUNDS");
    long rounds = given ? atol(given) : 200000;
    for (const std::string &seed : fuzz_seeds) {
        run(seed);
    }
    std::vector<std::string> pool = fuzz_seeds;
    for (long i = 0; i < rounds; i++) {
        // Mostly from the seeds: what was mutated many times is refused at its first byte.
        const std::vector<std::string> &from = next() % 4 > 0 ? fuzz_seeds : pool;
        std::string text = mutate(from[next() % from.size()]);
        run(text);
        if (i % 50 == 0 && text.size() < 4096) {
            pool.push_back(text);
        }
    }
    printf("%ld inputs\n", rounds + static_cast<long>(fuzz_seeds.size()));
    return 0;
}
